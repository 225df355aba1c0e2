//! Which applications offer an interface: one list of their names per interface, with commas. Every provider adds its own
//! and nobody takes one back, so what is in it may offer nothing at the moment. Pure.

/// Most applications of one interface that are followed.
pub(crate) const MAX_APPLICATIONS: usize = 100;

/// The list with `application` in it; `None` when it is there already.
pub(crate) fn mapped(list: &str, application: &str) -> Option<String> {
    if applications(list).any(|one| one == application) {
        return None;
    }
    let list = list.trim().trim_matches(',');
    Some(if list.is_empty() { application.to_owned() } else { format!("{list},{application}") })
}

/// The applications in a list.
pub(crate) fn applications(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mapping_names_each_application_once() {
        for (list, with) in [
            ("", Some("stock")),
            ("price", Some("price,stock")),
            ("price,", Some("price,stock")),
            ("price\n", Some("price,stock")),
            ("stocks", Some("stocks,stock")),
            ("stock", None),
            ("price, stock", None),
        ] {
            assert_eq!(mapped(list, "stock").as_deref(), with, "{list}");
        }
        assert_eq!(applications(" a,,b/c, d ").collect::<Vec<_>>(), ["a", "b/c", "d"]);
    }

    proptest! {
        #[test]
        fn whoever_adds_itself_is_in_it_and_hides_nobody(list in "[a-c, ]{0,20}", name in "[a-d]{1,3}") {
            let with = mapped(&list, &name).unwrap_or_else(|| list.clone());
            prop_assert!(applications(&with).any(|one| one == name));
            prop_assert!(applications(&list).all(|before| applications(&with).any(|one| one == before)));
            prop_assert_eq!(mapped(&with, &name), None);
        }
    }
}
