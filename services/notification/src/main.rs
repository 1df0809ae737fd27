fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("openapi") {
        println!("{}", notification::openapi().to_pretty_json()?);
        return Ok(());
    }
    notification::serve()
}
