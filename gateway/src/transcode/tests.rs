//! Requests and the messages that they become, by annotations of `google.api.http`.

use super::{binding::Bindings, found, request};
use http::Method;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

const ANNOTATIONS: &str = r#"
    syntax = "proto3";
    package google.api;
    import "google/protobuf/descriptor.proto";
    extend google.protobuf.MethodOptions { HttpRule http = 72295728; }
    message HttpRule {
      oneof pattern {
        string get = 2; string put = 3; string post = 4; string delete = 5; string patch = 6; Custom custom = 8;
      }
      string body = 7;
      repeated HttpRule additional_bindings = 11;
      string response_body = 12;
    }
    message Custom { string kind = 1; string path = 2; }
"#;

const LIBRARY: &str = r#"
    syntax = "proto3";
    package lib;
    import "google/api/annotations.proto";
    service Library {
      rpc Get(Ask) returns (Ask) { option (google.api.http) = {
        get: "/v1/{name=shelves/*/books/*}" additional_bindings { get: "/v1/books/{id}" } }; }
      rpc Create(Ask) returns (Ask) { option (google.api.http) = { post: "/v1/shelves/{name}/books" body: "inner" }; }
      rpc Update(Ask) returns (Ask) { option (google.api.http) = { put: "/v1/{inner.name=books/**}" body: "*" }; }
      rpc Lend(Ask) returns (Ask) { option (google.api.http) = { post: "/v1/books/{id}:lend" }; }
      rpc Any(Ask) returns (Ask) { option (google.api.http) = { custom { kind: "*" path: "/any" } }; }
      rpc Bad(Ask) returns (Ask) { option (google.api.http) = { get: "/bad/{none}" }; }
      rpc Plain(Ask) returns (Ask);
    }
    message Ask { string name = 1; int64 id = 2; Ask inner = 3; repeated string tags = 4; bool deep = 5; }
"#;

#[derive(Debug)]
struct Texts;

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "google/api/annotations.proto" => File::from_source(name, ANNOTATIONS),
            "lib.proto" => File::from_source(name, LIBRARY),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn bindings() -> (Bindings, Vec<String>) {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("lib.proto").unwrap();
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    Bindings::of(&pool.get_service_by_name("lib.Library").unwrap())
}

proptest::proptest! {
    /// Paths, queries and bodies of any bytes are messages, or are refused.
    #[test]
    fn any_request_is_a_message_or_none(
        path in "/v1/(shelves/[a%2F]{1,4}/books/[ -~]{0,6}|books/[0-9a%]{0,5}(:lend)?|[ -~]{0,12})",
        query in "([a-z_.]{1,6}=[ -~]{0,6}&?){0,4}|[ -~]{0,30}|\\PC{0,20}",
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        let (bindings, _) = bindings();
        for method in [Method::GET, Method::POST, Method::PUT] {
            if let Some(found) = found(&bindings, &method, &path) {
                let _ = request::message(&found.binding, &found.captures, &query, &body);
                let _ = request::message(&found.binding, &found.captures, &query, b"");
            }
        }
    }
}

#[test]
fn requests_become_the_messages_that_annotations_say() {
    let (bindings, wrong) = bindings();
    assert_eq!(wrong, ["lib.Library.Bad: /bad/{none}: there is no field `none`"]);
    assert_eq!(bindings.by_name.len(), 7);
    let ask = |method: &Method, path: &str, query: &str, body: &str| {
        let found = found(&bindings, method, path).ok_or_else(|| "nothing".to_owned())?;
        let frame = request::message(&found.binding, &found.captures, query, body.as_bytes());
        let frame = frame.map_err(|status| status.message().to_owned())?;
        let message = DynamicMessage::decode(found.binding.input.clone(), frame.message()).unwrap();
        Ok::<_, String>(format!("{} {message}", found.binding.call.name()))
    };
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    for (method, path, query, body, expected) in [
        (&get, "/v1/shelves/1/books/a%20b", "tags=x&tags=y", "", "Get name:\"shelves/1/books/a b\",tags:[\"x\",\"y\"]"),
        (&get, "/v1/shelves/a%2Fb/books/2", "", "", "Get name:\"shelves/a%2Fb/books/2\""),
        (&get, "/v1/books/7", "inner.deep=true", "", "Get id:7,inner{deep:true}"),
        (&post, "/v1/shelves/s/books", "id=3", r#"{"name":"n"}"#, "Create name:\"s\",id:3,inner{name:\"n\"}"),
        (&put, "/v1/books/a/b", "ignored=1", r#"{"id":"9"}"#, "Update id:9,inner{name:\"books/a/b\"}"),
        (&post, "/v1/books/7:lend", "", "", "Lend id:7"),
        (&get, "/any", "deep=true", "", "Any deep:true"),
        (&Method::PATCH, "/any", "", "", "Any "),
    ] {
        assert_eq!(
            ask(method, path, query, body).as_deref().map(str::trim_end),
            Ok(expected.trim_end()),
            "{method} {path}"
        );
    }
    for (method, path, query, body, why) in [
        (&post, "/v1/books/7", "", "", "nothing"),
        (&get, "/v1/books/7:lend", "", "", "no lib.Ask"),
        (&get, "/v1/books/x", "", "", "no lib.Ask"),
        (&get, "/v1/books/7", "id=8", "", "given twice"),
        (&get, "/v1/books/7", "none=8", "", "no parameter"),
        (&post, "/v1/shelves/s/books", "", "{", "no JSON"),
        (&put, "/v1/books/a", "", "[]", "no object"),
        (&get, "/bad/x", "", "", "nothing"),
    ] {
        let error = ask(method, path, query, body).unwrap_err();
        assert!(error.contains(why), "{method} {path}: {error}");
    }
}

#[test]
fn options_are_read_also_where_nobody_declares_them() {
    let rule =
        super::http_rule::MethodOptions::decode(&b"\x82\xd3\xe4\x93\x02\x04\x12\x02/a"[..]).unwrap().http.unwrap();
    assert_eq!(rule.pattern.unwrap().parts(), ("GET", "/a"));
}
