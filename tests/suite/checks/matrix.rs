//! The matrix of Dubbo peers over registries, made from what the tests of `dubbo_registry` noted in this run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use testbed::tree;

/// Where it is kept, for the README and whoever looks at what changed.
const KEPT: &str = "tests/interop/dubbo/matrix.md";
const REGISTRIES: [&str; 2] = ["ZooKeeper", "Nacos"];

/// Keeps the matrix of this run, and complains when it is another than the one that was kept.
pub(crate) fn dubbo_matrix() -> Result<(), String> {
    let found = REGISTRIES.map(|registry| rows(&tree::target().join("dubbo-matrix").join(registry)));
    let table = table(&found)?;
    let kept = tree::root().join(KEPT);
    if fs::read_to_string(&kept).is_ok_and(|text| text == table) {
        return Ok(());
    }
    fs::write(&kept, &table).map_err(|e| format!("writing {KEPT}: {e}"))?;
    Err(format!("{KEPT} was not that of this run; now it is, and belongs into the README:\n{table}"))
}

/// What was noted of one registry: a file for each row.
fn rows(folder: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let row = |file: fs::DirEntry| {
        let name = file.file_name().to_string_lossy().into_owned();
        Some((name, fs::read_to_string(file.path()).ok()?))
    };
    files.filter_map(row).collect()
}

fn table(found: &[BTreeMap<String, String>]) -> Result<String, String> {
    let names: std::collections::BTreeSet<&String> = found.iter().flat_map(BTreeMap::keys).collect();
    if names.is_empty() {
        return Err("no row was noted: the tests of dubbo_registry did not run".to_owned());
    }
    let mut table = format!("| Dubbo Java 3.3.6 and ours | {} |\n|---|", REGISTRIES.join(" | "));
    table += &"---|".repeat(found.len());
    for name in names {
        let cells: Vec<&str> = found.iter().map(|rows| rows.get(name).map_or("not run", String::as_str)).collect();
        table += &format!("\n| {} | {} |", name.replace('_', " "), cells.join(" | "));
    }
    Ok(table + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_one_registry_lacks_was_not_run() {
        let one = |name: &str, how: &str| (name.to_owned(), how.to_owned());
        let zookeeper = BTreeMap::from([one("java_calls_ours", "yes"), one("all_end", "NO")]);
        let nacos = BTreeMap::from([one("java_calls_ours", "yes")]);
        let expected = "| Dubbo Java 3.3.6 and ours | ZooKeeper | Nacos |\n|---|---|---|\n| all end | NO | not run |\n\
                        | java calls ours | yes | yes |\n";
        assert_eq!(table(&[zookeeper, nacos]).unwrap(), expected);
        table(&[BTreeMap::new(), BTreeMap::new()]).unwrap_err();
    }
}
