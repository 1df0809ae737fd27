fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("openapi") {
        println!("{}", product::openapi().to_pretty_json()?);
        return Ok(());
    }
    product::serve()
}
