//! W3C trace context: `traceparent` as it is read and written. Pure: randomness is an argument.

use std::fmt;

/// Which trace a call belongs to, and under which span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// Never zero.
    pub(crate) trace: u128,
    /// Never zero.
    pub(crate) span: u64,
    pub(crate) flags: u8,
}

/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 1;

impl TraceContext {
    /// The context in the text of a `traceparent`; `None` when it says nothing that can be relied on. Of a later version
    /// its first parts are read, as the standard wants.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let version = hex(bytes.get(..2)?)?;
        let ends = match version {
            0 => bytes.len() == 55,
            0xff => false,
            _ => bytes.len() == 55 || bytes.get(55) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        if !ends || !dashes {
            return None;
        }
        let (trace, span) = (hex(&bytes[3..35])?, u64::try_from(hex(&bytes[36..52])?).ok()?);
        let flags = u8::try_from(hex(&bytes[53..55])?).ok()?;
        (trace != 0 && span != 0).then_some(Self { trace, span, flags })
    }

    /// The first span of a trace.
    pub(crate) fn root(mut random: impl FnMut() -> u64) -> Self {
        let trace = (u128::from(random()) << 64) | u128::from(random());
        Self { trace: trace.max(1), span: random().max(1), flags: SAMPLED }
    }

    /// A span below this one.
    pub(crate) fn child(self, random: u64) -> Self {
        // Zero is no id, and one's own is not below itself.
        let span = [random, !random, 1].into_iter().find(|span| *span != 0 && *span != self.span);
        Self { span: span.unwrap_or(2), ..self }
    }
}

impl TraceContext {
    /// The id of the trace, as it is written everywhere.
    pub(crate) fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The id of the span, as it is written everywhere.
    pub(crate) fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }
}

/// A number of lower-case hex digits, 32 at most.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(value))
    })
}

/// As a `traceparent` of version 0.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_says_nothing_that_can_be_relied_on_is_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = TraceContext::parse(good).unwrap();
        assert_eq!(
            (context.trace, context.span, context.flags),
            (0x0af7651916cd43dd8448eb211c80319c, 0xb7ad6b7169203331, 1)
        );
        let later = |end: &str| format!("cc{}{end}", &good[2..]);
        assert_eq!(TraceContext::parse(&later("")), Some(context));
        assert_eq!(TraceContext::parse(&later("-what-the-future-says")), Some(context));
        for bad in [
            "",
            "00",
            &good[..54],
            &format!("{good}-"),
            &format!("{good}00"),
            &later("x"),
            &good.to_uppercase(),
            &good.replace("b7ad", "b7g0"),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7ad6b7169203331", &"0".repeat(16)),
            &format!("ff{}", &good[2..]),
            &good.replace('-', "_"),
            "00-ü",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(random in prop::collection::vec(any::<u64>(), 4)) {
            let mut rest = random.iter().copied();
            let root = TraceContext::root(|| rest.next().unwrap());
            prop_assert_eq!(TraceContext::parse(&root.to_string()), Some(root));
            let child = root.child(random[3]);
            prop_assert!(child.trace == root.trace && child.span != root.span && child.span != 0);
        }

        #[test]
        fn any_text_is_a_context_or_none(text in "[0-9a-f-]{0,60}|.{0,60}") {
            if let Some(context) = TraceContext::parse(&text) {
                prop_assert_eq!(&context.to_string()[2..], &text[2..55]);
            }
        }
    }
}
