//! What must fit together in `[ask]`: shares of one budget.

use toml_edit::{Item, Table, TableLike};

use super::check::{Layers, Problem};
use super::kinds;

/// The shares; what they leave goes to what teaches most.
const SHARES: [&str; 5] = ["random_share", "blank_share", "still_share", "unknown_share", "suspect_share"];

/// Checks that they are shares of one whole, whichever layer each stands in.
pub(super) fn check(layers: &Layers, problems: &mut Vec<Problem>) {
    let file = layers.file.document.get("ask").and_then(Item::as_table_like);
    let in_order = [section(&layers.environment), file, section(&layers.default)];
    let value = |key: &str| in_order.iter().flatten().find_map(|it| kinds::number(it.get(key)?.as_value()?));
    let sum: f64 = SHARES.iter().filter_map(|key| value(key)).sum();
    // Decimal shares that add up to a whole do so but for the last bit.
    if sum <= 1.0 + 1e-9 {
        return;
    }
    let message = format!("{} must not be above 1 together, are {sum:.2}", SHARES.join(", "));
    let found = SHARES.iter().find_map(|key| Some((*key, file?.get_key_value(key)?.0.span())));
    problems.push(match found {
        Some((key, span)) => layers.file.problem(span, &format!("ask.{key}"), message),
        None => Problem::elsewhere("environment", "EYESHINE__ASK__RANDOM_SHARE", message),
    });
}

fn section(table: &Table) -> Option<&dyn TableLike> {
    table.get("ask").and_then(Item::as_table_like)
}
