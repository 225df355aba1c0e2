//! The promotion service.

use crate::{app, stop::parent_gone};
use mainstay::{call::Cx, prelude::*};
use mainstay_examples::{Answer, Level, Offer, Offers, PromotionApi, PromotionApiServer};
use std::time::Duration;
use tokio::time::interval;

struct Promotions;

/// How often those who watch are told again.
const AGAIN: Duration = Duration::from_millis(100);

impl PromotionApi for Promotions {
    async fn offers(&self, level: Level, most: u32) -> Result<Offers> {
        Ok(offers(level, most))
    }

    async fn watch(&self, level: Level, most: u32) -> Result<Streaming<Offers>> {
        let (told, stream) = Streaming::channel(1);
        tokio::spawn(async move {
            let mut again = interval(AGAIN);
            loop {
                tokio::select! {
                    () = told.closed() => return,
                    _ = again.tick() => {}
                }
                if told.send(offers(level, most)).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }
}

fn offers(level: Level, most: u32) -> Offers {
    let percent = match level {
        Level::Gold => 30,
        Level::Silver => 20,
        Level::Basic => 10,
    };
    let offer = |article: &str, percent| Offer { article: article.to_owned(), percent };
    let offers = [offer("tea", percent), offer("cups", percent / 2), offer("spoons", 5)];
    Offers { offers: offers.into_iter().take(most as usize).collect(), answer: answer(Cx::current()) }
}

/// Serves until told to end.
pub(crate) async fn run(settings: Vec<String>) -> Result<(), Error> {
    app("promotion", settings)?.serve(PromotionApiServer::new(Promotions)).run_until(parent_gone()).await
}

/// Who answers: this process, and how often the call had been sent before.
pub(crate) fn answer(cx: Option<Cx>) -> Answer {
    let before = cx.as_ref().and_then(|cx| cx.metadata().get("grpc-previous-rpc-attempts"));
    let retries = before.and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(0);
    Answer { by: std::process::id().to_string(), retries }
}
