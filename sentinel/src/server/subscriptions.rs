//! What a connection listens to.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::glob;
use crate::request::Published;
use crate::resp::Value;

/// Channels and patterns of one connection.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
}

/// Channels or patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Channel,
    Pattern,
}

/// Channels and patterns that one connection may have: there are some fifty channels.
pub(super) const MOST: usize = 1000;

impl Subscriptions {
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.channels.len(), self.patterns.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (By, &Bytes)> {
        let channels = self.channels.iter().map(|name| (By::Channel, name));
        channels.chain(self.patterns.iter().map(|name| (By::Pattern, name)))
    }

    /// Adds names; a confirmation for each, or an error where there are too many.
    pub(super) fn add(&mut self, by: By, names: &[Bytes]) -> Vec<Value> {
        let mut replies = Vec::new();
        for name in names {
            if self.count() >= MOST && !self.set(by).contains(name) {
                replies.push(Value::error(format!("ERR more than {MOST} channels and patterns on one connection")));
                break;
            }
            self.set(by).insert(name.clone());
            let kind = if by == By::Channel { "subscribe" } else { "psubscribe" };
            replies.push(self.confirmation(kind, Value::Bulk(name.clone())));
        }
        replies
    }

    /// Removes names, or all if none is given; a confirmation for each, and one if there was nothing to remove.
    pub(super) fn remove(&mut self, by: By, names: &[Bytes]) -> Vec<Value> {
        let kind = if by == By::Channel { "unsubscribe" } else { "punsubscribe" };
        let names: Vec<Bytes> = if names.is_empty() { self.set(by).iter().cloned().collect() } else { names.to_vec() };
        let mut replies = Vec::new();
        for name in names {
            self.set(by).remove(&name);
            replies.push(self.confirmation(kind, Value::Bulk(name)));
        }
        if replies.is_empty() {
            replies.push(self.confirmation(kind, Value::Null));
        }
        replies
    }

    /// The messages that a notice is to this connection: one for its channel, and one for each pattern.
    pub(super) fn messages(&self, published: &Published) -> Vec<Value> {
        let channel = || Value::bulk(published.channel);
        let payload = || Value::bulk(&*published.payload);
        let mut messages = Vec::new();
        if self.channels.contains(published.channel.as_bytes()) {
            messages.push(Value::Push(vec![Value::bulk("message"), channel(), payload()]));
        }
        for pattern in self.patterns.iter().filter(|p| glob::matches(p, published.channel.as_bytes())) {
            let pattern = Value::Bulk(pattern.clone());
            messages.push(Value::Push(vec![Value::bulk("pmessage"), pattern, channel(), payload()]));
        }
        messages
    }

    fn confirmation(&self, kind: &str, name: Value) -> Value {
        let count = i64::try_from(self.count()).unwrap_or(i64::MAX);
        Value::Push(vec![Value::bulk(kind), name, Value::Integer(count)])
    }

    fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    fn set(&mut self, by: By) -> &mut BTreeSet<Bytes> {
        match by {
            By::Channel => &mut self.channels,
            By::Pattern => &mut self.patterns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Version;
    use bytes::BytesMut;

    fn text(values: &[Value]) -> String {
        let mut out = BytesMut::new();
        values.iter().for_each(|v| v.encode(Version::Resp2, &mut out));
        String::from_utf8_lossy(&out).replace("\r\n", " ")
    }

    #[test]
    fn confirmations_count_channels_and_patterns_together() {
        let mut subs = Subscriptions::default();
        let name = |n: &'static str| [Bytes::from_static(n.as_bytes())];
        assert_eq!(text(&subs.remove(By::Channel, &[])), "*3 $11 unsubscribe $-1 :0 ");
        assert_eq!(text(&subs.add(By::Channel, &name("a"))), "*3 $9 subscribe $1 a :1 ");
        assert_eq!(text(&subs.add(By::Channel, &name("a"))), "*3 $9 subscribe $1 a :1 ");
        assert_eq!(text(&subs.add(By::Pattern, &name("x*"))), "*3 $10 psubscribe $2 x* :2 ");
        assert_eq!(text(&subs.remove(By::Channel, &name("zz"))), "*3 $11 unsubscribe $2 zz :2 ");
        assert_eq!(text(&subs.remove(By::Pattern, &[])), "*3 $12 punsubscribe $2 x* :1 ");
        assert_eq!(subs.counts(), (1, 0));
    }

    #[test]
    fn a_message_for_the_channel_and_one_for_each_pattern() {
        let mut subs = Subscriptions::default();
        subs.add(By::Channel, &["+sdown".into()]);
        subs.add(By::Pattern, &["*".into(), "-*".into(), "+s*".into()]);
        let published = Published { channel: "+sdown", payload: "p".into() };
        let expected =
            "*3 $7 message $6 +sdown $1 p *4 $8 pmessage $1 * $6 +sdown $1 p *4 $8 pmessage $3 +s* $6 +sdown $1 p ";
        assert_eq!(text(&subs.messages(&published)), expected);
    }

    #[test]
    fn there_is_a_limit() {
        let mut subs = Subscriptions::default();
        let names: Vec<Bytes> = (0..MOST + 2).map(|n| n.to_string().into()).collect();
        let replies = subs.add(By::Channel, &names);
        assert_eq!(replies.len(), MOST + 1);
        assert!(replies[MOST].as_error().is_some());
        assert_eq!(subs.counts().0, MOST);
    }
}
