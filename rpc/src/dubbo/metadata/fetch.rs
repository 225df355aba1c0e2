//! Asking a provider for its metadata: the registry's port, by a client of ours.

use super::{MetadataServiceV2Client, VERSION};
use mainstay_registry::dubbo::{FetchMetadata, Fetched, Links, MetadataAddress, MetadataInfo};
use std::{net::Ipv6Addr, sync::Arc};

/// What a registry can use of this crate.
pub(crate) fn links() -> Links {
    Links::default().with_metadata(Arc::new(Ask))
}

/// Asks over a connection of its own, without TLS, as Dubbo's consumers do: whoever secures its port stores the document in
/// the registry.
#[derive(Debug)]
struct Ask;

impl FetchMetadata for Ask {
    fn fetch<'a>(&'a self, from: &'a MetadataAddress) -> Fetched<'a> {
        Box::pin(async move {
            let host = match from.host.parse::<Ipv6Addr>() {
                Ok(address) => format!("[{address}]"),
                Err(_) => from.host.clone(),
            };
            let builder = MetadataServiceV2Client::connect(&from.application).address(format!("{host}:{}", from.port));
            let builder = builder.group(&from.application).version(VERSION).retries(0).connections(1..=1);
            let client = builder.build().map_err(|error| error.to_string())?;
            let told = client.get_metadata_info(from.revision.clone()).await.map_err(|error| error.to_string())?;
            Ok(MetadataInfo::from(told))
        })
    }
}
