"""`providers`, `models` and `fallback`."""

from collections.abc import Iterable, Mapping

from sidecar.config.compiling.names import Names
from sidecar.config.running import Provider
from sidecar.config.schema.models import WrittenModel
from sidecar.routing.api import Api, Endpoint
from sidecar.routing.policy import Model, Price


def compile_providers(names: Names) -> dict[str, Provider]:
    """By name."""
    return {
        name: Provider(
            name=name,
            url=written.url,
            api=written.api,
            endpoints=frozenset(written.its_endpoints),
            api_key_file=written.api_key_file,
            region=written.region,
        )
        for name, written in names.written.providers.items()
    }


def compile_models(names: Names, providers: Mapping[str, Provider]) -> dict[str, Model]:
    """Those that are sound, as they are listed."""
    models = {}
    for name, written in names.written.models.items():
        loc = ("models", name)
        names.check_intents((intent for intent in written.quality or () if intent != "default"), (*loc, "quality"))
        if written.tenants is not None:
            names.need_tenants((*loc, "tenants"), "only these may get it")
        if names.check("provider", written.provider, (*loc, "provider")):
            models[name] = _compile_model(name, written, providers[written.provider])
    return models


def _compile_model(name: str, written: WrittenModel, provider: Provider) -> Model:
    price = written.price
    return Model(
        name=name,
        id=written.id or name,
        cluster=written.cluster or name,
        provider=provider.name,
        endpoints=provider.endpoints,
        tier=written.tier,
        context=written.context,
        price=Price(price.input, price.output, price.cached_input, price.cache_write),
        unsupported=frozenset(written.unsupported),
        capabilities=frozenset(written.capabilities),
        region=written.region or provider.region,
        tenants=frozenset(written.tenants) if written.tenants is not None else None,
        deprecated=written.deprecated,
        quality=written.quality or {},
        latency_seconds=written.latency_ms / 1000 if written.latency_ms is not None else None,
    )


def compile_fallbacks(names: Names, models: Mapping[str, Model]) -> dict[Endpoint, Model]:
    """For each endpoint the first of the list that can be asked there; every API that is spoken needs one."""
    listed: list[Model] = []
    for index, name in enumerate(names.written.fallback):
        if not names.check("model", name, ("fallback", index)):
            return {}
        if name not in models:  # it is unsound, which has been said
            return {}
        model = models[name]
        if listed and not model.endpoints - _endpoints(listed):
            before = ", ".join(earlier.name for earlier in listed)
            names.fault("fallback-unused", ("fallback", index), f"never used: {before} stand before it")
        listed.append(model)
    _check_apis(names, models.values(), listed)
    return {endpoint: model for model in reversed(listed) for endpoint in model.endpoints}


def _check_apis(names: Names, models: Iterable[Model], fallbacks: list[Model]) -> None:
    spoken = apis_of(fallbacks)
    for model in models:
        missing = apis_of([model]) - spoken
        if missing:
            wanted = ", ".join([*(fallback.name for fallback in fallbacks), model.name])
            message = f"no fallback speaks the {missing.pop()} API, but {model.name} does; write [{wanted}]"
            names.fault("fallback-missing", ("fallback",), message)
            return


def apis_of(models: Iterable[Model]) -> set[Api]:
    """Those that are spoken."""
    return {endpoint.api for endpoint in _endpoints(models)}


def _endpoints(models: Iterable[Model]) -> set[Endpoint]:
    return {endpoint for model in models for endpoint in model.endpoints}
