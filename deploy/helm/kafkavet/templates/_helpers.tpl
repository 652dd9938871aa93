{{- define "kafkavet.labels" -}}
app.kubernetes.io/name: kafkavet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kafkavet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What both kinds of pods have: the network of the host. */}}
{{- define "kafkavet.pod" -}}
automountServiceAccountToken: false
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
hostPID: {{ .Values.hostPID }}
securityContext:
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What both kinds of containers have. File capabilities do not exist in the image: only root has NET_RAW.
With hostPID, kafkavet looks up processes as nobody (SETUID, SETGID) with the other two. */}}
{{- define "kafkavet.container" -}}
name: kafkavet
image: {{ include "kafkavet.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  runAsUser: 0
  privileged: false
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
    add: [NET_RAW{{ if .Values.hostPID }}, SYS_PTRACE, DAC_READ_SEARCH, SETUID, SETGID{{ end }}]
resources: {{ toYaml .Values.resources | nindent 2 }}
{{- end }}

{{- define "kafkavet.args" -}}
{{- range .Values.args }}
- {{ . | quote }}
{{- end }}
{{- with .Values.target }}
- --target
- {{ . | quote }}
{{- end }}
{{- end }}
