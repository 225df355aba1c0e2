//! What is said of a client's calls from outside of the program: how long they may take and how often they are sent again, by
//! an operator's rule, and the colour of those that have none.
//!
//! Where nothing can be said, the layer is a look at an `Option`.

use super::Named;
use crate::{
    call::{Invocation, Reply, Status},
    route::{TAG, Tunes},
};
use arc_swap::ArcSwapOption;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tonic::metadata::{Ascii, MetadataValue};
use tower_layer::Layer;
use tower_service::Service;

/// Makes [`Ruled`]s.
#[derive(Clone, Debug)]
pub(crate) struct RuledLayer(Option<Arc<Said>>);

/// Puts into each call what its caller has not said.
#[derive(Clone, Debug)]
pub(crate) struct Ruled<S> {
    inner: S,
    said: Option<Arc<Said>>,
}

#[derive(Debug)]
struct Said {
    tag: Option<MetadataValue<Ascii>>,
    tunes: Arc<ArcSwapOption<Tunes>>,
}

impl Ruled<()> {
    /// A layer that gives calls this tag, and follows these rules.
    pub(crate) fn layer(tag: Option<MetadataValue<Ascii>>, tunes: Option<Arc<ArcSwapOption<Tunes>>>) -> RuledLayer {
        let any = tag.is_some() || tunes.is_some();
        RuledLayer(any.then(|| Arc::new(Said { tag, tunes: tunes.unwrap_or_default() })))
    }
}

impl<S> Layer<S> for RuledLayer {
    type Service = Ruled<S>;

    fn layer(&self, inner: S) -> Ruled<S> {
        Ruled { inner, said: self.0.clone() }
    }
}

impl<S> Service<Invocation> for Ruled<S>
where
    S: Service<Invocation, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Invocation) -> S::Future {
        if let Some(said) = &self.said {
            if let Some(tunes) = &*said.tunes.load() {
                tunes.apply(&mut call);
            }
            if let Some(tag) = &said.tag
                && !call.metadata.contains_key(TAG)
            {
                call.metadata.insert(TAG, tag.clone());
            }
        }
        self.inner.call(call)
    }
}

impl<S: Named> Named for Ruled<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.extend(self.said.as_ref().map(|_| "rules"));
        self.inner.names(names);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::call::Kind;

    #[tokio::test]
    async fn a_colour_of_the_call_s_own_stays() {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = seen.clone();
        let inner = answering(move |call| {
            log.lock().unwrap().push(call.metadata.get(TAG).map(|tag| tag.to_str().unwrap().to_owned()));
            Err(Status::deadline_exceeded())
        });
        let layer = Ruled::layer(Some("gray".parse().unwrap()), None);
        let mut own = call(Kind::Unary, false);
        own.metadata.insert(TAG, "blue".parse().unwrap());
        let _ = layer.layer(inner.clone()).call(own).await;
        let _ = layer.layer(inner.clone()).call(call(Kind::Unary, false)).await;
        let _ = Ruled::layer(None, None).layer(inner).call(call(Kind::Unary, false)).await;
        assert_eq!(*seen.lock().unwrap(), [Some("blue".to_owned()), Some("gray".to_owned()), None]);
    }
}
