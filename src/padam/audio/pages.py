"""Pages made of a package's templates."""

from collections.abc import Callable, Mapping

import jinja2


def render(
    package: str,
    template: str,
    filters: Mapping[str, Callable[..., object]] | None = None,
    **values: object,
) -> str:
    """Fill a template of the package's folder `templates`; a value that it lacks is an error.

    Values are escaped, whatever they hold.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(filters or {})
    return environment.get_template(template).render(**values)
