//! What a client can say of itself: whom it knows, how each does, and what holds its calls back.

use crate::{
    call::{BoxFuture, Insight},
    cluster::{Cluster, EndpointState},
    layer::FailureLayer,
    policy::{LimitLayers, LimitState},
    route::RuleState,
};

/// The parts of a client's stack that have something to say.
pub(super) struct Known {
    pub(super) cluster: Cluster,
    pub(super) limits: LimitLayers,
    pub(super) failure: FailureLayer,
}

impl Insight for Known {
    fn sought_where(&self) -> (String, String) {
        self.cluster.sought_where()
    }

    fn endpoints(&self) -> Vec<EndpointState> {
        self.cluster.states()
    }

    fn why_nobody(&self) -> Option<String> {
        self.cluster.why_nobody()
    }

    fn rules(&self) -> Vec<RuleState> {
        self.cluster.rules()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.failure.end())
    }

    fn limits(&self) -> Vec<LimitState> {
        self.limits.states().into_iter().chain(self.cluster.limit()).collect()
    }
}
