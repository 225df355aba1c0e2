//! Columns for people. Pure.

use std::fmt;

/// Rows of equal columns, each as wide as its widest cell.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads.
    pub(super) fn new<const N: usize>(heads: [&str; N]) -> Table {
        Table { rows: vec![heads.map(str::to_owned).to_vec()] }
    }

    /// Adds a row. One that is shorter than the heads ends there, however long its last cell is.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        // The last cell of a row needs no room after it.
        let width = |column: usize| {
            let cells = self.rows.iter().filter(|row| column + 1 < row.len() || row.len() == columns);
            cells.filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!(" {cell:width$}"));
                line.push(' ');
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["SENTINEL", "EPOCH", "STATE"]);
        table.row(vec!["a".into(), "12".into(), "up".into()]);
        table.row(vec!["long-name".into(), "cannot be reached, for many a reason".into()]);
        let expected =
            "  SENTINEL   EPOCH  STATE\n  a          12     up\n  long-name  cannot be reached, for many a reason\n";
        assert_eq!(table.to_string(), expected);
    }
}
