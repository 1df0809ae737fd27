fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("openapi") {
        println!("{}", inventory::openapi().to_pretty_json()?);
        return Ok(());
    }
    inventory::serve()
}
