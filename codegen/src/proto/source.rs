//! The file and what it imports, parsed and checked.

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use protox::Compiler;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use syn::{
    LitStr, Token, bracketed,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// `"proto/x.proto"`, and where imports are looked for: `include = ["proto", "../common"]`.
pub(crate) struct Input {
    pub(crate) file: LitStr,
    include: Vec<LitStr>,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let file = input.parse()?;
        let mut include = Vec::new();
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let name: syn::Ident = input.parse()?;
            if name != "include" {
                let text = format!("unknown option `{name}` of `include_proto`: there is `include = [\"…\"]`");
                return Err(syn::Error::new(name.span(), text));
            }
            input.parse::<Token![=]>()?;
            let list;
            bracketed!(list in input);
            include.extend(Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self { file, include })
    }
}

/// A checked file with everything it imports, the well-known types apart.
pub(crate) struct Source {
    /// The package of the file itself.
    pub(crate) package: String,
    /// All files, the imported ones first.
    pub(crate) files: Vec<FileDescriptorProto>,
    /// The files of the well-known types that are imported: prost-build looks its types up there and writes none of them.
    pub(crate) known: Vec<FileDescriptorProto>,
    /// Where they are.
    pub(crate) paths: Vec<PathBuf>,
    name: String,
}

impl Source {
    /// The file's name as part of an identifier.
    pub(crate) fn stem(&self) -> String {
        let stem = self.name.strip_suffix(".proto").unwrap_or(&self.name);
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
    }

    /// The messages as descriptors: without the services, which describe themselves, and with no more of the text than
    /// its comments. Files are called by their packages, so that two crates may both have a `proto/api.proto`.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut file = self.files.clone();
        let names: HashMap<_, _> = file.iter().map(|file| (file.name().to_owned(), qualified(file))).collect();
        for file in &mut file {
            file.name = names.get(file.name()).cloned();
            for import in &mut file.dependency {
                if let Some(name) = names.get(import) {
                    import.clone_from(name);
                }
            }
            file.service.clear();
            if let Some(info) = &mut file.source_code_info {
                // Path 6 is the services.
                info.location.retain(|l| l.leading_comments.is_some() && l.path.first() != Some(&6));
                info.location.iter_mut().for_each(|l| l.leading_detached_comments.clear());
            }
        }
        FileDescriptorSet { file }.encode_to_vec()
    }
}

/// `shop/stock/v1/api.proto`, wherever the file is.
fn qualified(file: &FileDescriptorProto) -> String {
    let name = file.name().rsplit('/').next().unwrap_or_default();
    if file.package().is_empty() { name.to_owned() } else { format!("{}/{name}", file.package().replace('.', "/")) }
}

/// Reads the file. Paths are relative to `root`, the user's package.
///
/// # Errors
/// What protox says, at the literal.
pub(crate) fn read(input: &Input, root: &Path) -> syn::Result<Source> {
    let failed = |error: protox::Error| syn::Error::new(input.file.span(), format!("{error:?}"));
    let path = root.join(input.file.value());
    if !path.is_file() {
        let text = format!("there is no file {}; the path is relative to the package's Cargo.toml", path.display());
        return Err(syn::Error::new(input.file.span(), text));
    }
    let mut compiler = Compiler::new(includes(input, root, &path)).map_err(failed)?;
    compiler.include_imports(true).include_source_info(true).open_file(&path).map_err(failed)?;
    let paths = compiler.files().filter_map(|file| Some(file.path()?.to_owned())).collect();
    let files = compiler.file_descriptor_set().file;
    // Sorted so that what is imported comes first: the file itself is the last.
    let (name, package) =
        files.last().map(|file| (file.name().to_owned(), file.package().to_owned())).unwrap_or_default();
    let (known, files) = files.into_iter().partition(|file| file.name().starts_with("google/protobuf/"));
    Ok(Source { package, files, known, paths, name })
}

/// Where imports are looked for: the directories given, or else every one from the file's own up to the package.
fn includes(input: &Input, root: &Path, path: &Path) -> Vec<PathBuf> {
    if !input.include.is_empty() {
        return input.include.iter().map(|dir| root.join(dir.value())).collect();
    }
    let own = path.ancestors().skip(1);
    own.take_while(|dir| dir.starts_with(root)).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> syn::Result<Source> {
        let dir = std::env::temp_dir().join(format!("mainstay-proto-{}-{:p}", std::process::id(), text));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("x.proto"), text).unwrap();
        let result = read(&syn::parse_str("\"x.proto\"").unwrap(), &dir);
        std::fs::remove_dir_all(&dir).unwrap();
        result
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let error = read_text("syntax = \"proto3\";\nmessage A {\n  Missing b = 1;\n}\n").err().unwrap().to_string();
        assert_eq!(error, "x.proto:3:3: name 'Missing' is not defined");
    }

    #[test]
    fn a_missing_file_is_told_with_its_path() {
        let input = syn::parse_str("\"none.proto\"").unwrap();
        let error = read(&input, Path::new("/nowhere")).err().unwrap().to_string();
        assert_eq!(error, "there is no file /nowhere/none.proto; the path is relative to the package's Cargo.toml");
    }

    #[test]
    fn services_and_well_known_files_are_left_out_of_the_descriptors() {
        let source = read_text(
            "syntax = \"proto3\"; package a.b; import \"google/protobuf/empty.proto\";\n\
             // What.\nmessage M {}\n\
             // Not this.\nservice S { rpc Do(M) returns (google.protobuf.Empty); }",
        );
        let source = source.ok().unwrap();
        assert_eq!((source.package.as_str(), source.stem().as_str(), source.files.len()), ("a.b", "x", 1));
        assert_eq!(source.known.len(), 1);
        let set = FileDescriptorSet::decode(source.encoded().as_slice()).unwrap();
        assert!(set.file[0].service.is_empty());
        assert_eq!(set.file[0].name(), "a/b/x.proto");
        assert_eq!(set.file[0].source_code_info.as_ref().unwrap().location.len(), 1);
    }

    #[test]
    fn a_message_of_a_well_known_type_alone_can_be_written() {
        let source = read_text(
            "syntax = \"proto3\"; import \"google/protobuf/wrappers.proto\";\n\
             message M { google.protobuf.BoolValue on = 1; }",
        );
        let tree = crate::proto::messages::tree(&source.ok().unwrap()).unwrap().to_string();
        assert!(tree.contains("Option < bool >"), "{tree}");
    }

    #[test]
    fn the_options_are_read() {
        let input: Input = syn::parse_str("\"a.proto\", include = [\"a\", \"b\"]").unwrap();
        assert_eq!(input.include.len(), 2);
        assert!(syn::parse_str::<Input>("\"a.proto\", includes = []").is_err());
    }
}
