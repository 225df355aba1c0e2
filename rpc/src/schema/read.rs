//! `.proto` text → a file: a strict reader of what [`print`](super::print) writes.
//!
//! Not a general parser. It reads the lock at run time, in a user's test, where a parser of all of protobuf would be a
//! dependency of every program; what it does not know it refuses, with the line.

use std::sync::Arc;

use super::model::{
    Enum, EnumValue, Field, File, Label, Message, MessageRef, Method, Reserved, Scalar, Service, TypeRef,
};

/// Where the text is not what mainstay writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct ReadError {
    /// Counted from 1.
    pub line: usize,
    /// What could stand there.
    pub expected: &'static str,
    /// What does.
    pub found: String,
}

/// Reads a file.
///
/// # Errors
/// At the first place that is not what mainstay writes.
pub(crate) fn read(text: &str) -> Result<File, ReadError> {
    let mut reader = Reader { rest: text, line: 1, docs: String::new(), package: String::new() };
    let mut file = reader.file()?;
    resolve(&mut file);
    Ok(file)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Sign(char),
    End,
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    /// The comment right above what comes next.
    docs: String,
    package: String,
}

impl<'a> Reader<'a> {
    fn file(&mut self) -> Result<File, ReadError> {
        let mut file = File::default();
        self.word("syntax", "`syntax = \"proto3\";`")?;
        self.sign('=', "`=`")?;
        if self.text("\"proto3\"")? != "proto3" {
            return Err(self.wrong("\"proto3\"", Token::Text("another syntax")));
        }
        self.sign(';', "`;`")?;
        loop {
            let docs = self.skip_to_token();
            match self.next() {
                Token::End => return Ok(file),
                Token::Word("package") => {
                    file.package = self.name("the name of the package")?.to_owned();
                    self.package.clone_from(&file.package);
                    self.sign(';', "`;`")?;
                }
                // What is imported follows from what is used.
                Token::Word("import") => {
                    self.text("the name of a file")?;
                    self.sign(';', "`;`")?;
                }
                Token::Word("service") => file.services.push(self.service(docs)?),
                Token::Word("message") => file.messages.push(self.message(docs)?),
                Token::Word("enum") => file.enums.push(self.enumeration(docs)?),
                other => return Err(self.wrong("`package`, `import`, `service`, `message` or `enum`", other)),
            }
        }
    }

    fn service(&mut self, docs: String) -> Result<Service, ReadError> {
        let mut service = Service { name: self.name("the name of the service")?.to_owned(), docs, methods: Vec::new() };
        self.sign('{', "`{`")?;
        loop {
            let docs = self.skip_to_token();
            match self.next() {
                Token::Sign('}') => return Ok(service),
                Token::Word("rpc") => service.methods.push(self.method(docs)?),
                other => return Err(self.wrong("`rpc` or `}`", other)),
            }
        }
    }

    fn method(&mut self, docs: String) -> Result<Method, ReadError> {
        let name = self.name("the name of the method")?.to_owned();
        let (client_streaming, input) = self.body()?;
        self.word("returns", "`returns`")?;
        let (server_streaming, output) = self.body()?;
        let idempotent = match self.next() {
            Token::Sign(';') => false,
            Token::Sign('{') => {
                self.word("option", "`option idempotency_level = IDEMPOTENT;`")?;
                self.word("idempotency_level", "`idempotency_level`")?;
                self.sign('=', "`=`")?;
                self.word("IDEMPOTENT", "`IDEMPOTENT`")?;
                self.sign(';', "`;`")?;
                self.sign('}', "`}`")?;
                true
            }
            other => return Err(self.wrong("`;` or `{`", other)),
        };
        Ok(Method { name, docs, input, output, client_streaming, server_streaming, idempotent })
    }

    fn body(&mut self) -> Result<(bool, MessageRef), ReadError> {
        self.sign('(', "`(`")?;
        let mut name = self.name("the name of a message")?;
        let streams = name == "stream";
        if streams {
            name = self.name("the name of a message")?;
        }
        self.sign(')', "`)`")?;
        Ok((streams, MessageRef::new(name)))
    }

    fn message(&mut self, docs: String) -> Result<Message, ReadError> {
        let name = self.name("the name of the message")?.to_owned();
        let mut message = Message { name, docs, ..Message::default() };
        self.sign('{', "`{`")?;
        let mut in_oneof = false;
        loop {
            let docs = self.skip_to_token();
            match self.next() {
                Token::Sign('}') if in_oneof => in_oneof = false,
                Token::Sign('}') => return Ok(message),
                Token::Word("reserved") => self.reserved(&mut message.reserved)?,
                Token::Word("message") => message.nested.push(self.message(docs)?),
                Token::Word("oneof") if !in_oneof => {
                    self.word("kind", "`kind`")?;
                    self.sign('{', "`{`")?;
                    in_oneof = true;
                }
                Token::Word(first) => {
                    let label = if in_oneof { Label::OneOf } else { Label::Single };
                    message.fields.push(self.field(first, label, docs)?);
                }
                other => return Err(self.wrong("a field or `}`", other)),
            }
        }
    }

    fn field(&mut self, first: &'a str, label: Label, docs: String) -> Result<Field, ReadError> {
        let (label, ty) = match first {
            "optional" => (Label::Optional, self.name("a type")?),
            "repeated" => (Label::Repeated, self.name("a type")?),
            "map" => {
                self.sign('<', "`<`")?;
                let key = self.name("the type of a key")?;
                let Some(key) = scalar(key) else { return Err(self.wrong("the type of a key", Token::Word(key))) };
                self.sign(',', "`,`")?;
                let value = self.name("a type")?;
                self.sign('>', "`>`")?;
                (Label::Map(key), value)
            }
            other => (label, other),
        };
        let name = self.name("the name of the field")?.to_owned();
        self.sign('=', "`=`")?;
        let number = self.number()?;
        self.sign(';', "`;`")?;
        let Ok(number) = u32::try_from(number) else {
            return Err(self.wrong("a field number", Token::Word("a negative one")));
        };
        let ty = scalar(ty).map_or_else(|| TypeRef::Message(MessageRef::new(ty)), TypeRef::Scalar);
        Ok(Field { name, number, docs, label, ty })
    }

    fn enumeration(&mut self, docs: String) -> Result<Enum, ReadError> {
        let mut def = Enum { name: self.name("the name of the enum")?.to_owned(), docs, ..Enum::default() };
        self.sign('{', "`{`")?;
        loop {
            let docs = self.skip_to_token();
            match self.next() {
                Token::Sign('}') => return Ok(def),
                Token::Word("reserved") => self.reserved(&mut def.reserved)?,
                Token::Word(name) => {
                    self.sign('=', "`=`")?;
                    let number = self.number()?;
                    self.sign(';', "`;`")?;
                    def.values.push(EnumValue { name: name.to_owned(), number, docs });
                }
                other => return Err(self.wrong("a value or `}`", other)),
            }
        }
    }

    fn reserved(&mut self, reserved: &mut Reserved) -> Result<(), ReadError> {
        loop {
            let before = (self.rest, self.line);
            if let Token::Text(name) = self.next() {
                reserved.names.insert(name.to_owned());
            } else {
                (self.rest, self.line) = before;
                let start = self.number()?;
                let before = (self.rest, self.line);
                if self.next() == Token::Word("to") {
                    reserved.add(start..=self.number()?);
                } else {
                    (self.rest, self.line) = before;
                    reserved.add(start..=start);
                }
            }
            match self.next() {
                Token::Sign(',') => {}
                Token::Sign(';') => return Ok(()),
                other => return Err(self.wrong("`,` or `;`", other)),
            }
        }
    }

    fn word(&mut self, word: &str, expected: &'static str) -> Result<(), ReadError> {
        match self.next() {
            Token::Word(found) if found == word => Ok(()),
            other => Err(self.wrong(expected, other)),
        }
    }

    fn name(&mut self, expected: &'static str) -> Result<&'a str, ReadError> {
        match self.next() {
            Token::Word(word) if !word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => Ok(word),
            other => Err(self.wrong(expected, other)),
        }
    }

    fn text(&mut self, expected: &'static str) -> Result<&'a str, ReadError> {
        match self.next() {
            Token::Text(text) => Ok(text),
            other => Err(self.wrong(expected, other)),
        }
    }

    fn sign(&mut self, sign: char, expected: &'static str) -> Result<(), ReadError> {
        match self.next() {
            Token::Sign(found) if found == sign => Ok(()),
            other => Err(self.wrong(expected, other)),
        }
    }

    fn number(&mut self) -> Result<i32, ReadError> {
        match self.next() {
            Token::Word(word) => word.parse().map_err(|_| self.wrong("a number", Token::Word(word))),
            other => Err(self.wrong("a number", other)),
        }
    }

    fn wrong(&self, expected: &'static str, found: Token<'_>) -> ReadError {
        let found = match found {
            Token::Word(word) => format!("`{word}`"),
            Token::Text(text) => format!("\"{text}\""),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end of the file".to_owned(),
        };
        ReadError { line: self.line, expected, found }
    }

    /// Skips blanks and comments, and gives back the comment that stands right above what follows.
    fn skip_to_token(&mut self) -> String {
        self.docs.clear();
        let mut newlines = 0;
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                Some('\n') => {
                    self.line += 1;
                    newlines += 1;
                    if newlines > 1 {
                        self.docs.clear();
                    }
                    self.rest = chars.as_str();
                }
                Some(c) if c.is_whitespace() => self.rest = chars.as_str(),
                Some('/') if self.rest.starts_with("//") => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    let line = &self.rest[2..end];
                    if !self.docs.is_empty() {
                        self.docs.push('\n');
                    }
                    self.docs.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
                    self.rest = &self.rest[end..];
                    newlines = 0;
                }
                _ => return std::mem::take(&mut self.docs),
            }
        }
    }

    fn next(&mut self) -> Token<'a> {
        self.skip_to_token();
        let Some(first) = self.rest.chars().next() else { return Token::End };
        if first == '"' {
            let inside = &self.rest[1..];
            let end = inside.find(['"', '\n']).unwrap_or(inside.len());
            self.rest = inside[end..].strip_prefix('"').unwrap_or(&inside[end..]);
            return Token::Text(&inside[..end]);
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let end = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
        if end == 0 {
            self.rest = &self.rest[first.len_utf8()..];
            return Token::Sign(first);
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Token::Word(word)
    }
}

fn scalar(word: &str) -> Option<Scalar> {
    Scalar::ALL.into_iter().find(|scalar| scalar.keyword() == word)
}

/// Makes every name of a type a full one, and tells enums from messages as far as this file defines them.
fn resolve(file: &mut File) {
    let messages: Vec<String> = file.messages.iter().map(|message| message.name.clone()).collect();
    let enums: Vec<String> = file.enums.iter().map(|def| def.name.clone()).collect();
    let package = file.package.clone();
    let full = |name: &str| {
        let first = name.split('.').next().unwrap_or(name);
        if let Some(absolute) = name.strip_prefix('.') {
            absolute.to_owned()
        } else if !package.is_empty() && (messages.iter().chain(&enums).any(|known| known == first)) {
            format!("{package}.{name}")
        } else {
            name.to_owned()
        }
    };
    for method in file.services.iter_mut().flat_map(|service| &mut service.methods) {
        method.input = MessageRef::new(&full(method.input.full_name()));
        method.output = MessageRef::new(&full(method.output.full_name()));
    }
    let is_enum = |full: &str| enums.iter().any(|name| full == join(&package, name));
    for message in &mut file.messages {
        let scope = join(&package, &message.name);
        resolve_message(message, &scope, &full, &is_enum);
    }
}

fn resolve_message(message: &mut Message, scope: &str, full: &dyn Fn(&str) -> String, is_enum: &dyn Fn(&str) -> bool) {
    let nested: Vec<String> = message.nested.iter().map(|inner| inner.name.clone()).collect();
    for field in &mut message.fields {
        let TypeRef::Message(written) = &field.ty else { continue };
        let name = written.full_name();
        let name = if nested.iter().any(|inner| inner == name) { format!("{scope}.{name}") } else { full(name) };
        field.ty =
            if is_enum(&name) { TypeRef::Enum(Arc::from(name)) } else { TypeRef::Message(MessageRef::new(&name)) };
    }
    for inner in &mut message.nested {
        let scope = format!("{scope}.{}", inner.name);
        resolve_message(inner, &scope, full, is_enum);
    }
}

fn join(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::super::print::print;
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let golden = include_str!("../../tests/golden/stock.proto");
        let file = read(golden).unwrap();
        assert_eq!(print(&file), golden);
        let stock = file.messages.iter().find(|message| message.name == "Stock").unwrap();
        let kind = stock.fields.iter().find(|field| field.name == "kind").unwrap();
        assert_eq!(kind.ty, TypeRef::Enum("shop.stock.v1.Kind".into()));
        let place = file.messages.iter().find(|message| message.name == "Place").unwrap();
        let transit = place.fields.iter().find(|field| field.name == "transit").unwrap();
        assert_eq!((transit.ty.name(), transit.label), ("shop.stock.v1.Place.Transit", Label::OneOf));
    }

    #[test]
    fn reservations_and_hidden_names_come_back() {
        let text = "syntax = \"proto3\";\n\npackage a.b.v1;\n\nimport \"b.proto\";\n\nmessage M {\n  reserved 2, 4 to 6;\n  \
                    reserved \"old\", \"older\";\n\n  message Part {}\n\n  .a.b.v1.Part part = 1;\n  .b.X x = 3;\n}\n\n\
                    message Part {}\n";
        let file = read(text).unwrap();
        assert_eq!(file.messages[0].fields[0].ty.name(), "a.b.v1.Part");
        assert_eq!(file.messages[0].fields[1].ty.name(), "b.X");
        assert_eq!(print(&file), text);
    }

    #[test]
    fn a_head_comment_is_no_doc_comment_and_docs_keep_their_blank_lines() {
        let text = "// head\n\nsyntax = \"proto3\";\n\n// stray\n\n// one\n//\n//  two\nmessage M {}\n";
        assert_eq!(read(text).unwrap().messages[0].docs, "one\n\n two");
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        for (text, line, expected) in [
            ("", 1, "`syntax = \"proto3\";`"),
            ("syntax = \"proto2\";", 1, "\"proto3\""),
            ("syntax = \"proto3\";\nextend X {}", 2, "`package`, `import`, `service`, `message` or `enum`"),
            ("syntax = \"proto3\";\nmessage M {\n  string a 1;\n}", 3, "`=`"),
            ("syntax = \"proto3\";\nmessage M {\n  string a = x;\n}", 3, "a number"),
            ("syntax = \"proto3\";\nmessage M {\n  string a = -1;\n}", 3, "a field number"),
            ("syntax = \"proto3\";\nmessage M {", 2, "a field or `}`"),
            ("syntax = \"proto3\";\nmessage M { map<float32, string> x = 1; }", 2, "the type of a key"),
            ("syntax = \"proto3\";\nmessage M { reserved 1 to ; }", 2, "a number"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.line, error.expected), (line, expected), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(syntax = \"proto3\";)?[a-z{}()<>;=,./\" \n0-9-]{0,80}") {
            let _ = read(&text);
        }
    }
}
