//! The rules of balancing that a client may ask for. What they do is in `cluster/balance`.

/// How one of several instances is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Balance {
    /// Two are drawn by weight, and the one that is expected to answer sooner gets the call: by the latency that was
    /// seen and the calls that are under way there. A slow instance is avoided without anyone saying that it is slow.
    #[default]
    P2c,
    /// One after the other, smoothly by weight.
    RoundRobin,
    /// Drawn by weight.
    Random,
    /// The one with the fewest calls under way; among equals by weight. Of more than 16, the best of 16 that are drawn.
    LeastActive,
    /// The one whose usual latency, times the calls under way and one more, is the least. Of more than 16 as above.
    ShortestResponse,
    /// The same instance for the same key ([`hash_by`](super::ConnectBuilder::hash_by)), on a ring of 160 points for each. A call without a
    /// key is balanced by P2C.
    ConsistentHash,
}
