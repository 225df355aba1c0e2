//! Rust's names in the cases of a `.proto`.

/// `HttpServer2Go` → `http_server2_go`.
pub(crate) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::with_capacity(name.len() + 4);
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| letters.get(i));
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_uppercase() && letters.get(i + 1).is_some_and(|after| after.is_lowercase()))
            });
        if starts_word {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// `HttpServer` → `HTTP_SERVER`.
pub(crate) fn screaming(name: &str) -> String {
    snake(name).to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        for (name, expected) in [
            ("Kind", "kind"),
            ("StockError", "stock_error"),
            ("HTTPServer", "http_server"),
            ("V2Ray", "v2_ray"),
            ("IoX", "io_x"),
            ("already_snake", "already_snake"),
            ("X", "x"),
        ] {
            assert_eq!(snake(name), expected);
        }
        assert_eq!(screaming("OutOfStock"), "OUT_OF_STOCK");
    }
}
