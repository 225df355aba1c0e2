//! The eight fields of a hello, `ip,port,id,current-epoch,master,master-ip,master-port,config-epoch`, both ways. Pure.
//!
//! Anybody who can reach a data server can publish here, so the text is taken only when every field is well formed.

use crate::core::action::HelloBody;
use crate::core::event::Hello;
use crate::core::ids::{Address, Epoch, RunId};

/// The channel.
pub const CHANNEL: &str = "__sentinel__:hello";

/// The longest hello that is looked at.
const LONGEST: usize = 1_024;
const LONGEST_HOST: usize = 255;

/// Reads a hello; none when it is malformed.
pub fn parse(text: &str) -> Option<Hello> {
    if text.len() > LONGEST {
        return None;
    }
    let fields: Vec<&str> = text.split(',').collect();
    let &[host, port, id, current, master, master_host, master_port, config] = fields.as_slice() else {
        return None;
    };
    let named = !master.is_empty() && master.bytes().all(|b| b.is_ascii_graphic());
    named.then_some(())?;
    Some(Hello {
        address: address(host, port)?,
        peer: id.parse().ok()?,
        current_epoch: epoch(current)?,
        master: master.into(),
        master_address: address(master_host, master_port)?,
        config_epoch: epoch(config)?,
    })
}

/// Writes a hello of the sentinel `me`, which listens at `address`.
pub fn format(me: RunId, address: &Address, body: &HelloBody) -> String {
    format!(
        "{},{},{me},{},{},{},{},{}",
        address.host,
        address.port,
        body.current_epoch,
        body.master,
        body.address.host,
        body.address.port,
        body.config_epoch
    )
}

fn address(host: &str, port: &str) -> Option<Address> {
    let fits = !host.is_empty() && host.len() <= LONGEST_HOST && host.bytes().all(|b| b.is_ascii_graphic());
    let port = digits(port)?.parse().ok().filter(|p| *p > 0)?;
    fits.then(|| Address::new(host, port))
}

fn epoch(text: &str) -> Option<Epoch> {
    digits(text)?.parse().ok().map(Epoch)
}

/// Digits only: `parse` alone would take a plus sign.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "127.0.0.1,26379,0123456789abcdef0123456789abcdef01234567,7,mymaster,127.0.0.1,6379,3";

    #[test]
    fn what_is_written_is_read() {
        let hello = parse(TEXT).unwrap();
        assert_eq!(hello.address, Address::new("127.0.0.1", 26379));
        assert_eq!((hello.current_epoch, hello.config_epoch), (Epoch(7), Epoch(3)));
        let body = HelloBody {
            current_epoch: hello.current_epoch,
            master: hello.master.clone(),
            address: hello.master_address.clone(),
            config_epoch: hello.config_epoch,
        };
        assert_eq!(format(hello.peer, &hello.address, &body), TEXT);
    }

    #[test]
    fn a_field_that_is_wrong_drops_it() {
        let with = |field: usize, value: &str| {
            let mut fields: Vec<&str> = TEXT.split(',').collect();
            fields[field] = value;
            fields.join(",")
        };
        let ninth = format!("{TEXT},9");
        let bad = [
            String::new(),
            ninth,
            with(0, ""),
            with(0, &"x".repeat(300)),
            with(1, "0"),
            with(1, "+1"),
            with(1, "65536"),
            with(2, "short"),
            with(3, "-1"),
            with(3, ""),
            with(4, ""),
            with(4, "a b"),
            with(4, &"n".repeat(2_000)),
            with(5, "a b"),
            with(6, "x"),
            with(7, "18446744073709551616"),
        ];
        for text in bad {
            assert_eq!(parse(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "([0-9a-f,.:]|\\PC){0,200}") {
            parse(&text);
        }
    }
}
