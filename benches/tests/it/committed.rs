//! The tables and the plot are those of the committed records.

use benches::record::Record;
use benches::{plot, tables};

const AGAIN: &str = "run `cargo run -p benches --bin report`";

fn records() -> (Record, Record) {
    let curve = Record::parse(include_str!("../../curve.tsv")).unwrap();
    let groups = Record::parse(include_str!("../../groups.tsv")).unwrap();
    (curve, groups)
}

#[test]
fn the_tables_are_those_of_the_records() {
    let (curve, groups) = records();
    let readme = include_str!("../../README.md");
    let sections = tables::sections(&curve, &groups).unwrap();
    assert_eq!(tables::fill(readme, &sections).unwrap(), readme, "{AGAIN}");
}

#[test]
fn the_plot_is_that_of_the_record() {
    let (curve, _) = records();
    assert_eq!(plot::svg(&curve).unwrap(), include_str!("../../../docs/throughput.svg"), "{AGAIN}");
}
