"""Pages made of this package's templates."""

import jinja2


def render(template: str, **values: object) -> str:
    """Fill a template of `padam/quality/templates`; a value that it lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("padam.quality"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
