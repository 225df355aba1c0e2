//! The service under test.

use mainstay::prelude::*;
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Article {
    pub(crate) sku: String,
    pub(crate) left: u32,
    pub(crate) sold_total: i64,
    pub(crate) tags: Vec<String>,
    pub(crate) thumbnail: Vec<u8>,
    pub(crate) size: Size,
    pub(crate) added: Option<prost_types::Timestamp>,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
pub(crate) enum Size {
    #[default]
    Small,
    Large,
}

#[derive(ServiceError, Clone, Debug)]
pub(crate) enum ShopError {
    #[error(code = NotFound, "no article {sku}")]
    Unknown { sku: String },
}

#[mainstay::service(package = "shop.v1", version = "1.0.0")]
pub(crate) trait Shop {
    #[rpc(idempotent, get = "/v1/stock/{sku}")]
    async fn level(&self, cx: &Cx, sku: String, at_least: u32) -> Result<Article, ShopError>;
    async fn put(&self, article: Article) -> Result<Article, ShopError>;
    async fn wait(&self) -> Result<(), ShopError>;
    async fn fail(&self) -> Result<(), ShopError>;
    async fn watch(&self, skus: Vec<String>) -> Result<Streaming<Article>, ShopError>;
    async fn load(&self, articles: Streaming<Article>) -> Result<u64, ShopError>;
    async fn chat(&self, articles: Streaming<Article>) -> Result<Streaming<Article>, ShopError>;
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Counter {
    /// Lets one call of `wait` go on.
    pub(crate) release: Arc<Notify>,
}

impl Shop for Counter {
    async fn level(&self, cx: &Cx, sku: String, at_least: u32) -> Result<Article, ShopError> {
        cx.set_header("x-shelf".parse().unwrap(), "7".parse().unwrap());
        cx.set_trailer("x-cost".parse().unwrap(), "2".parse().unwrap());
        match sku.as_str() {
            "none" => Err(ShopError::Unknown { sku }),
            _ => Ok(Article { sku, left: 3.max(at_least), ..Article::default() }),
        }
    }

    async fn put(&self, article: Article) -> Result<Article, ShopError> {
        Ok(article)
    }

    async fn wait(&self) -> Result<(), ShopError> {
        self.release.notified().await;
        Ok(())
    }

    async fn fail(&self) -> Result<(), ShopError> {
        panic!("as asked")
    }

    async fn watch(&self, skus: Vec<String>) -> Result<Streaming<Article>, ShopError> {
        Ok(Streaming::of(skus.into_iter().map(|sku| Article { sku, ..Article::default() })))
    }

    async fn load(&self, articles: Streaming<Article>) -> Result<u64, ShopError> {
        Ok(articles.collect().await.map_or(0, |all| all.len() as u64))
    }

    async fn chat(&self, articles: Streaming<Article>) -> Result<Streaming<Article>, ShopError> {
        Ok(articles.map(|article| Article { left: article.left + 1, ..article }))
    }
}
