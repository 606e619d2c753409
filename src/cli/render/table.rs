//! Tables: columns that line up.

use super::text::{bold, truncate, width};

/// Lays out rows below a heading. The last column is cut where the screen ends; none is padded at
/// the end of a line.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>], columns: usize) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(width(cell));
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, most) in cells.zip(&widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(cell);
            line.push_str(&" ".repeat(most.saturating_sub(width(cell))));
        }
        truncate(line.trim_end(), columns)
    };
    let mut text = format!("{}\n", bold(&line(&mut heading.iter().copied())));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::plain;

    #[test]
    fn columns_line_up_and_lines_end() {
        let rows = [vec!["a".to_owned(), "日本".to_owned(), String::new()], vec!["bbb".into(), "c".into(), "d".into()]];
        assert_eq!(plain(&table(&["X", "Y", "Z"], &rows, 80)), "X    Y     Z\na    日本\nbbb  c     d\n");
        assert_eq!(plain(&table(&["X", "Y", "Z"], &rows, 9)), "X    Y  …\na    日本\nbbb  c  …\n");
    }
}
