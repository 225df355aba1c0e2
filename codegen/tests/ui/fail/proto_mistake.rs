// The test copies it there: a path is relative to the package, and the package of these files is made by trybuild.
mainstay::include_proto!("../../../tmp/broken.proto");

fn main() {}
