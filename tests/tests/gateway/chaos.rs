//! Faults that operators inject: none until they are armed, and none after.

use super::{
    admin::ask,
    bed::{Answer, Gateway, Mirror, SOON},
    lists::operate,
};
use std::{
    io::{BufReader, Write},
    time::{Duration, Instant},
};
use testbed::{Scratch, eventually};

#[test]
fn faults_are_met_by_whom_the_file_names_while_they_are_armed() {
    let (place, token, mirror) = (Scratch::new("chaos").unwrap(), "0123456789abcdef-ann", Mirror::start());
    let file = place.write("token", token).unwrap();
    let mut gateway = Gateway::start(&format!(
        "admin: {{address: '127.0.0.1:0', tokens: {{ann: 'file:{}'}}}}
upstreams: {{m: {{endpoints: ['{}']}}}}
routes: [{{name: all, match: {{}}, http: {{upstream: m}}}}]
chaos:
  - {{name: late, headers: {{x-chaos: late}}, percentage: 100, delay: 300ms}}
  - {{name: refused, headers: {{x-chaos: refused}}, percentage: 100, abort: 418}}
  - {{name: lost, headers: {{x-chaos: lost}}, percentage: 100, reset: true}}
",
        file.display(),
        mirror.address
    ));
    let admin = gateway.process.line(SOON, "admin ");
    let asked = |fault: &str| gateway.ask(&format!("GET /\nx-chaos: {fault}"), "");
    assert_eq!(["late", "refused", "lost"].map(|fault| asked(fault).code), [200; 3], "nothing is armed");
    let put = |token: &str, body: &str| operate(&admin, "PUT /chaos", token, body).code;
    assert_eq!((put("", "{\"seconds\": 60}"), put(token, "{}")), (401, 400));
    assert_eq!(put(token, "{\"seconds\": 60}"), 200);
    let page = ask(&admin, "/chaos", "localhost").json();
    assert!(page["armed_for_seconds"].as_u64().is_some_and(|left| left > 50), "{page}");

    let (began, late) = (Instant::now(), asked("late"));
    assert!(late.code == 200 && began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    let refused = asked("refused");
    assert_eq!((refused.code, refused.header("x-mainstay-reason")), (418, Some("FAULT_INJECTED")));
    let before = mirror.seen.lock().unwrap().len();
    let mut stream = gateway.connect();
    write!(stream, "GET / HTTP/1.1\r\nhost: a\r\nx-chaos: lost\r\n\r\n").unwrap();
    let lost = Answer::read(&mut BufReader::new(stream), false);
    assert!(lost.is_none(), "an answer that is lost is not whole: {lost:?}");
    assert_eq!(mirror.seen.lock().unwrap().len(), before + 1, "it was answered");
    assert_eq!(gateway.ask("GET /", "").code, 200, "who is not named goes its way");

    assert_eq!(operate(&admin, "DELETE /chaos", token, "").code, 200);
    assert_eq!(["late", "refused", "lost"].map(|fault| asked(fault).code), [200; 3]);
    assert_eq!(put(token, "{\"seconds\": 1}"), 200);
    assert_eq!(asked("refused").code, 418);
    eventually(SOON, "it ends by itself", || asked("refused").code == 200);
}
