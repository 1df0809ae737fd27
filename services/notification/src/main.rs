fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("openapi") => println!("{}", notification::openapi().to_pretty_json()?),
        Some("audit") => notification::audit::run(std::iter::once("notification audit".to_owned()).chain(args))?,
        _ => notification::serve()?,
    }
    Ok(())
}
