"""Envoy's own definitions, from envoy-data-plane: what ours are compared with."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its use of pydantic is deprecated, which is not our concern
    from envoy_data_plane.envoy.service.accesslog import v3 as access_log_service
    from envoy_data_plane.envoy.service.ext_proc import v3 as ext_proc

__all__ = ["access_log_service", "ext_proc"]
