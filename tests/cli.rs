//! The command line as people meet it: arguments, stdout, stderr, status. `TRYCMD=overwrite` rewrites the cases.

#[test]
fn the_command_line_behaves_as_its_cases_say() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd").env("NO_COLOR", "1").env("COLUMNS", "100");
}
