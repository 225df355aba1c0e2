//! The demo with the gateway before it: what it prints to try works, and the gateway ends with the demo.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(60);

/// A demo, killed at the end; its processes end with it.
struct Demo {
    process: Child,
    registry: std::path::PathBuf,
    /// What it printed to try.
    lines: Vec<String>,
}

impl Demo {
    fn start() -> Self {
        let registry = std::env::temp_dir().join(format!("mainstay-demo-gateway-{}", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        command.args(["demo", "--registry", &format!("file://{}", registry.display())]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the demo starts");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut lines = Vec::new();
        let mut output = output.lines().map_while(Result::ok);
        // Its pipe must not fill afterwards: what it prints then goes nowhere.
        for line in output.by_ref() {
            let last = line.contains("Ctrl-C");
            lines.push(line);
            if last {
                break;
            }
        }
        assert!(lines.last().is_some_and(|line| line.contains("Ctrl-C")), "the demo ended: {lines:?}");
        std::thread::spawn(move || output.for_each(drop));
        Self { process, registry, lines }
    }

    /// What stands between two texts in the line that holds another.
    fn told(&self, line: &str, before: &str, after: &str) -> String {
        let line = self.lines.iter().find(|one| one.contains(line)).expect("a line to try");
        let (_, rest) = line.split_once(before).expect("what stands before it");
        rest.split_once(after).expect("what stands after it").0.to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.registry);
    }
}

/// The code and the body of an answer.
fn ask(address: &str, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(SOON)).expect("a bound");
    let rest = format!(
        "host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    write!(stream, "{head} HTTP/1.1\r\n{rest}{body}").expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code");
    let body = text.split_once("\r\n\r\n").expect("a head").1;
    (code, body.to_owned())
}

#[test]
fn what_the_demo_prints_to_try_at_the_gateway_works() {
    let demo = Demo::start();
    let address = demo.told("one page of them", "curl http://", "/");
    let (code, page) = ask(&address, "GET /page/ada", "");
    assert!(code == 200 && page.contains("\"Ada\"") && page.contains("\"tea\""), "{code} {page}");
    let (code, member) = ask(&address, "POST /shop.member.v1.MemberApi/Member", "{\"id\":\"bob\"}");
    assert!(code == 200 && member.contains("\"Bob\""), "{code} {member}");
    assert_eq!(ask(&address, "POST /shop.member.v1.MemberApi/Member", "{\"id\":\"nobody\"}").0, 404);
    // Nothing else is reachable through it.
    assert_eq!(ask(&address, "POST /shop.site.v1.SiteApi/Heard", "{}").0, 404);
    let canary = demo.told("is the canary", "process ", " is");
    let offers = || {
        let (code, offers) = ask(&address, "POST /shop.promotion.v1.PromotionApi/Offers", "{\"most\":1}");
        assert_eq!(code, 200, "{offers}");
        offers.contains(&format!("\"{canary}\""))
    };
    let hits = (0..300).filter(|_| offers()).count();
    // 30 are expected; less than 8 or more than 62 come once in a million runs.
    assert!((8..=62).contains(&hits), "{hits} of 300");
    stuffing(&demo, &address);
    drop(demo);
    let began = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(began.elapsed() < SOON, "the gateway outlives the demo");
        std::thread::yield_now();
    }
}

/// Passwords are tried out: the rule watches, and refuses once the file says so.
fn stuffing(demo: &Demo, address: &str) {
    let tried = || ask(address, "POST /login", "").0;
    assert!((0..40).all(|_| tried() == 401));
    let admin = demo.told("what it would have done", "http://", "/risk");
    let risk = ask(&admin, "GET /risk", "").1;
    assert!(risk.contains("stuffing"), "{risk}");
    let file = demo.told("and the 40 again", "enforce/' ", "   and");
    let text = std::fs::read_to_string(&file).expect("the gateway's file");
    std::fs::write(&file, text.replace("mode: shadow", "mode: enforce")).expect("the gateway's file");
    let began = Instant::now();
    while tried() != 403 {
        assert!(began.elapsed() < SOON, "nobody is refused");
        std::thread::yield_now();
    }
}
