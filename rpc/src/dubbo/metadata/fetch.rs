//! Asking a provider for its metadata: the registry's port, by a client of ours.

use super::{MetadataServiceV2Client, VERSION};
use crate::transport::Connect;
use mainstay_registry::dubbo::{FetchMetadata, Fetched, Links, MetadataAddress, MetadataInfo};
use std::{net::Ipv6Addr, sync::Arc};

/// What a registry can use of this crate; `connector` opens connections to providers.
pub(crate) fn links(connector: Arc<dyn Connect>) -> Links {
    Links::default().with_metadata(Arc::new(Ask { connector }))
}

/// Asks over a connection of its own, which is secured as those are over which the provider is called then: it is the same
/// port.
#[derive(Debug)]
struct Ask {
    connector: Arc<dyn Connect>,
}

impl FetchMetadata for Ask {
    fn fetch<'a>(&'a self, from: &'a MetadataAddress) -> Fetched<'a> {
        Box::pin(async move {
            let host = match from.host.parse::<Ipv6Addr>() {
                Ok(address) => format!("[{address}]"),
                Err(_) => from.host.clone(),
            };
            let builder = MetadataServiceV2Client::connect(&from.application).address(format!("{host}:{}", from.port));
            let builder = builder.group(&from.application).version(VERSION).retries(0).connections(1..=1);
            let client = builder.connector(self.connector.clone()).build().map_err(|error| error.to_string())?;
            let told = client.get_metadata_info(from.revision.clone()).await.map_err(|error| error.to_string())?;
            Ok(MetadataInfo::from(told))
        })
    }
}
