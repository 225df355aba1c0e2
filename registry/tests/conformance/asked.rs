//! Providers of the application level that say what they offer when they are asked. Tests over real servers share it.

use mainstay_registry::dubbo::{FetchMetadata, Fetched, MetadataAddress, MetadataInfo, ServiceInfo};

/// All of them offer this key with a weight of 50. The one at port 7 says so, the others do not answer.
#[derive(Debug)]
pub(crate) struct Asked(pub(crate) &'static str);

impl FetchMetadata for Asked {
    fn fetch<'a>(&'a self, from: &'a MetadataAddress) -> Fetched<'a> {
        let mut service = ServiceInfo::new(&self.0.parse().unwrap(), "tri", 0);
        service.params.insert("weight".to_owned(), "50".to_owned());
        let info = MetadataInfo::new(&from.application, &from.revision, [(service.key(), service)].into());
        let answer = if from.port == 7 { Ok(info) } else { Err("nobody is there".to_owned()) };
        Box::pin(async { answer })
    }
}
