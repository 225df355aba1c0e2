//! The gateway before the shop: one page out of several calls, JSON for services that nobody has described to it, and a canary.
//!
//! It is `mainstay-gateway` itself, as a library. What it does is in its file alone, which the demo writes.

use crate::stop::CHILD;
use rustix::process::{Signal, getpid, kill_process};
use std::{io::Read, path::Path, process::ExitCode};

/// The colour of the canary's requests, and of who answers them.
pub(crate) const COLOUR: &str = "next";

/// Serves until told to end.
pub(crate) fn run(words: Vec<String>) -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        // It ends with its parent, as it ends when it is told to.
        std::thread::spawn(|| {
            let mut input = std::io::stdin().lock();
            while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
            let _ = kill_process(getpid(), Signal::TERM);
        });
    }
    mainstay_gateway::cli::main(words.into_iter())
}

/// Writes the file of a gateway before a shop whose processes are in this registry.
pub(crate) fn write(file: &Path, registry: &str) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", file.display());
    file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    std::fs::write(file, text(registry)).map_err(failed)
}

fn text(registry: &str) -> String {
    let registry = registry.replace('\'', "''");
    format!(
        "# Change it while the gateway runs: it is followed.
listeners: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
upstreams: {{shop: {{registry: '{registry}'}}}}
routes:
  # Two calls at once, and one JSON.
  - name: page
    match: {{path: '/page/{{user}}', methods: [GET]}}
    aggregate:
      parts:
        member: {{upstream: shop, service: shop.member.v1.MemberApi, method: Member, request: {{id: '{{user}}'}}}}
        offers:
          upstream: shop
          service: shop.promotion.v1.PromotionApi
          method: Offers
          request: {{level: LEVEL_GOLD, most: 2}}
          timeout: 500ms
          fallback: {{offers: []}}
  # Nobody told the gateway what these services are: it asks them.
  - name: member
    match: {{path: /shop.member.v1.MemberApi/*, methods: [POST]}}
    json: {{upstream: shop, services: [shop.member.v1.MemberApi], auto_mapping: true}}
  # Of a hundred requests ten go to the next version.
  - name: promotion
    match: {{path: /shop.promotion.v1.PromotionApi/*, methods: [POST]}}
    json: {{upstream: shop, services: [shop.promotion.v1.PromotionApi], auto_mapping: true}}
    canaries: [{{name: tenth, weight: 10, tag: {COLOUR}}}]
  # Nobody knows the password.
  - name: login
    match: {{path: /login, methods: [POST]}}
    respond: {{status: 401, body: 'no such password'}}
# Who fails at many of them tries out what was stolen elsewhere.
risk_rules:
  inline:
    counters:
      failed: {{key: client.ip, on: response, when: response.status == 401, window: 10m, routes: [login]}}
    rules:
      - {{name: stuffing, when: velocity.failed >= 20, score: 100, mode: shadow, routes: [login]}}
    bands:
      default: {{deny: 90}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_one_that_a_gateway_takes() {
        for registry in ["file://", "nacos://10.0.0.5:8848?namespace=it's"] {
            let read = text(registry).parse::<mainstay_gateway::Config>();
            // A registry that is not built in is told; nothing else may be.
            let wrong = read.err().map(|refused| refused.to_string()).unwrap_or_default();
            assert!(wrong.is_empty() || wrong.contains("nacos"), "{wrong}");
        }
    }
}
