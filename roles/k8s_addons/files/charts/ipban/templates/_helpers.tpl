{{- define "ipban.name" -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "ipban.selector" -}}
app.kubernetes.io/name: ipban
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ipban.labels" -}}
{{ include "ipban.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ipban.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "ipban.breaker" -}}
{{- with .Values.breaker -}}
{{- dict "growth_factor" (float64 .growthFactor) "growth_minimum" (int .growthMinimum)
  "shrink_factor" (float64 .shrinkFactor) "shrink_minimum" (int .shrinkMinimum) | toJson -}}
{{- end -}}
{{- end }}

{{- define "ipban.lists" -}}
{{- concat (list "all") .Values.lists | uniq | toJson -}}
{{- end }}

{{/* Settings of the agent on a node. Who is logged in there is not seen from a pod. */}}
{{- define "ipban.agent" -}}
{{- $guard := dict "networks" .Values.protected
  "own_addresses" true "gateway" true "store" true "ssh_peers" false -}}
{{- with .Values.nodes -}}
{{- dict
  "store" (dict "conninfo" $.Values.store.conninfo)
  "lists" (include "ipban.lists" $ | fromJsonArray)
  "backend" "nft"
  "families" .families
  "action" .action
  "poll_seconds" (int .pollSeconds)
  "audit_seconds" (int .auditSeconds)
  "guard" $guard
  "breaker" (include "ipban.breaker" $ | fromJson)
  "state_directory" "/var/lib/groundwork-ipban"
  "textfile_directory" ""
  | toPrettyJson -}}
{{- end -}}
{{- end }}

{{/* The objects that carry the deny list; empty for none. */}}
{{- define "ipban.targets" -}}
{{- $targets := list -}}
{{- with .Values.denylist.ingressNginx -}}
{{- if .enabled -}}
{{- $targets = append $targets (dict "kind" "ingress-nginx" "namespace" .namespace "name" .configMap
  "max_entries" (int .maxEntries) "max_bytes" (int .maxBytes)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.denylist.envoyGateway -}}
{{- if .enabled -}}
{{- $targets = append $targets (dict "kind" "envoy-gateway" "namespace" .namespace "name" .securityPolicy
  "gateways" .gateways "max_entries" (int .maxEntries) "max_bytes" (int .maxBytes)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.denylist.cilium -}}
{{- if .enabled -}}
{{- $targets = append $targets (dict "kind" "cilium" "name" .cidrGroup
  "max_entries" (int .maxEntries) "max_bytes" (int .maxBytes)) -}}
{{- end -}}
{{- end -}}
{{- if $targets }}{{ $targets | toJson }}{{ end -}}
{{- end }}

{{- define "ipban.denylist" -}}
{{- dict
  "conninfo" .Values.store.conninfo
  "lists" (include "ipban.lists" . | fromJsonArray)
  "protected" .Values.protected
  "poll_seconds" (int .Values.denylist.pollSeconds)
  "min_seconds" (int .Values.denylist.minSeconds)
  "breaker" (include "ipban.breaker" . | fromJson)
  "targets" (include "ipban.targets" . | fromJsonArray)
  | toPrettyJson -}}
{{- end }}

{{/* A pod that writes or removes the deny list. `name` is that of its account and of its settings. */}}
{{- define "ipban.writer" -}}
{{- $root := .root -}}
serviceAccountName: {{ .name }}
enableServiceLinks: false
terminationGracePeriodSeconds: 30
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: denylist
    image: {{ include "ipban.image" $root | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
    env:
      - {name: PGSERVICEFILE, value: /run/secrets/ipban/pg_service.conf}
      - name: POD_IP
        valueFrom:
          fieldRef: {fieldPath: status.podIP}
    {{- if .listens }}
    ports:
      - {name: metrics, containerPort: {{ $root.Values.denylist.port }}, protocol: TCP}
    readinessProbe:
      httpGet: {path: /metrics, port: metrics}
      periodSeconds: 5
    livenessProbe:
      httpGet: {path: /metrics, port: metrics}
      periodSeconds: 30
      timeoutSeconds: 5
      # A database that has gone without a word is waited for longer than one probe.
      failureThreshold: 6
    {{- end }}
    resources:
      {{- toYaml $root.Values.denylist.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    volumeMounts:
      - {name: settings, mountPath: /etc/groundwork/ipban, readOnly: true}
      - {name: store, mountPath: /run/secrets/ipban, readOnly: true}
volumes:
  - name: settings
    configMap:
      name: {{ .name }}
  - name: store
    secret:
      secretName: {{ $root.Values.store.secret }}
      # Only who asks the store needs it.
      optional: {{ has "--remove" .args }}
      defaultMode: 0440
{{- with $root.Values.denylist.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.denylist.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.denylist.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
