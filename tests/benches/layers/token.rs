//! What a server pays for a signed token: once, and each time that it comes again.
//!
//! The token was signed by RS256 with a key of 2 048 bits that is nowhere any more.

use mainstay::auth::{Jwt, JwtKey, Tokens};
use std::time::{Duration, Instant};
use testbed::stats::median;

const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvyWIcgK1JFW1hx/8vS26\n\
    blpaQSHaOUXs9OTa+JoeBXIhpUYDGNdba8E01+Xvnnrwd6gwF/zAsCGplFktQ007\n\
    2PBb1NZUMBrVUhr5QO0BGP+bL0ql2ItnlR1oRLxJW8i+z/Ta6pIXvQq2MHfwYukt\n\
    J47O5rHD285yKmegRcWK8ZaCzhcFQVwpo45X3Z63iuA5vVqvNmYM0aVoUwQDqcoG\n\
    R2VuHQFKa2XL8JIqpdsfDT0A4kNR0wQMjlO97MgxW2uxJaPcMQ9HLlGrmJLa8Eq+\n\
    WJ8/g2+4g+B/hmXcCE0cx8TGQZ+jkzLwmWC3bnGYu51a/fdXd/Fttr2k957krt2/\n\
    kQIDAQAB\n\
    -----END PUBLIC KEY-----";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjIwMjYifQ.eyJpc3MiOiJkZXNrIiwic3ViIjoic2l0ZSIsImF1ZCI6I\
    nN0b2NrIiwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3NjQ0MDAwMDAsInNjb3BlIjoicmVhZCB3cml0ZSJ9.N0eDagW4JtV1Ir7w\
    OKsWYdCKYAc5heRvwHksfmTidU5ep4G6kxgqx7RPAHxhpfzclSghJcggCe9r8PK_ICgStnxF01SK6sNSGxm6NlsR8jpPe8Kj-eNO\
    ihVBg5XmXs2RrJxJFDZbqnx3NmCfzUX9pLFW-bFAbJrxpiNF-hLrKisXbeyxEPgQhtRUzHn9mCj8XQhCkGVfSz87nAahL_P7GnUy\
    P93xRWvySLfg6RV0eTIqzGycDp_v43URvtMWUhvnOVvIF-zOdHiwGzdiGncNcqdkpfjQtTZCU_Eij_NXYtQBYZNgb91j10o0y3dB\
    UzYjOBv4dml-FyT3W_zDo3L2WA";

/// Checks of one turn.
const CHECKS: u32 = 2000;

/// What a check costs, in nanoseconds.
pub(crate) fn measure(rounds: usize) -> [(&'static str, f64); 2] {
    let file = std::env::temp_dir().join(format!("mainstay-bench-{}.pem", std::process::id()));
    std::fs::write(&file, KEY).expect("a file");
    let key = JwtKey::public(&format!("file:{}", file.display())).expect("a key");
    std::fs::remove_file(&file).expect("it is there");
    let jwt = || Jwt::new().key(key.clone()).issuer("desk").audience("stock");
    let now = Duration::from_secs(1_800_000_000);
    let timed = |check: &dyn Fn() -> bool| {
        let run = |_| {
            let began = Instant::now();
            (0..CHECKS).for_each(|_| assert!(std::hint::black_box(check())));
            began.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS)
        };
        median((0..rounds).map(run))
    };
    let known = jwt();
    [
        ("a token of RS256, new", timed(&|| jwt().caller(TOKEN, now).is_ok())),
        ("a token of RS256, known", timed(&|| known.caller(TOKEN, now).is_ok())),
    ]
}
