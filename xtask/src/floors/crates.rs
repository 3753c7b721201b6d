//! The floors of the crates, as docs/architecture.md has them.

use crate::packages::Package;

/// The crates in the table of floors of a page, from the top down.
pub fn table(page: &str) -> Vec<String> {
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| floor |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(2))
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`').to_owned())
        .collect()
}

/// What is wrong, one line each: every crate that users depend on is in the table, and depends,
/// tests aside, only on crates further down in it.
pub fn check(table: &[String], packages: &[Package]) -> Vec<String> {
    let place = |name: &str| table.iter().position(|other| other == name);
    let mut problems = Vec::new();
    for name in table {
        if !packages.iter().any(|package| package.name == *name) {
            problems.push(format!("{name} is in the table of floors and no crate"));
        }
    }
    for package in packages {
        let Some(own) = place(&package.name) else {
            if package.is_published {
                problems.push(format!("{} is not in the table of floors", package.name));
            }
            continue;
        };
        for needed in package.dependencies.iter().filter(|needed| !needed.is_dev) {
            if place(&needed.name).is_none_or(|other| other <= own) {
                problems.push(format!(
                    "{} depends on {}, which is not below it",
                    package.name, needed.name
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::tests::named;

    const PAGE: &str = "\
text

| floor | crate | job |
| --- | --- | --- |
| 2 | `top` | this |
| 1 | `middle`, `below` | that |
| 0 | `ground` | all |

| floor | crate |
| --- | --- |
| 0 | `another table` |
";

    #[test]
    fn the_table_is_read_from_the_top_down() {
        assert_eq!(table(PAGE), ["top", "middle", "below", "ground"]);
    }

    #[test]
    fn crates_use_lower_floors_only() {
        let packages = [
            named("top", &["middle", "ground"]),
            named("middle", &["below"]),
            named("below", &["~top"]),
            named("ground", &[]),
        ];
        assert_eq!(check(&table(PAGE), &packages), Vec::<String>::new());
    }

    #[test]
    fn upward_and_unlisted_dependencies_are_reported() {
        let mut tool = named("tool", &["top"]);
        tool.is_published = false;
        let packages = [
            named("top", &["tool"]),
            named("middle", &[]),
            named("below", &["middle"]),
            named("stray", &[]),
            tool,
        ];
        assert_eq!(
            check(&table(PAGE), &packages),
            [
                "ground is in the table of floors and no crate",
                "top depends on tool, which is not below it",
                "below depends on middle, which is not below it",
                "stray is not in the table of floors",
            ]
        );
    }
}
