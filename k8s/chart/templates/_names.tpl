{{- define "image" -}}
{{- $tag := .tag -}}
{{ .repository }}{{ if hasPrefix "sha256:" $tag }}@{{ else }}:{{ end }}{{ $tag }}
{{- end }}

{{- define "sidecar.image" -}}
{{ include "image" (dict "repository" .Values.image.repository "tag" (.Values.image.tag | default .Chart.AppVersion)) }}
{{- end }}

{{- define "part-of" -}}
app.kubernetes.io/part-of: envoy-llm-sidecar
{{- end }}

{{- define "locked-down" -}}
runAsUser: 65532
runAsGroup: 65532
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* What injected pods run is what this chart is of, unless the values say otherwise. */}}
{{- define "injector.defaults" -}}
{{- $images := dict "image" (include "sidecar.image" .) "envoy-image" (include "image" .Values.envoyImage) -}}
{{ toYaml (merge (deepCopy .Values.injector.defaults) $images) }}
{{- end }}
