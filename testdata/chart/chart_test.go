// Package chart tests the Helm chart in deploy/helm and the dashboard in deploy/grafana.
package chart

import (
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// render renders the chart as helm template does, and returns the manifests by the names of their templates.
// Keys that Kubernetes does not have are errors.
func render(t *testing.T, values string) (*appsv1.DaemonSet, *batchv1.CronJob) {
	t.Helper()
	c, err := loader.Load("../../deploy/helm/kafkavet")
	if err != nil {
		t.Fatal(err)
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(c, given, chartutil.ReleaseOptions{Name: "watch", Namespace: "kafka"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	daemons, job := new(appsv1.DaemonSet), new(batchv1.CronJob)
	if err := yaml.UnmarshalStrict([]byte(files["kafkavet/templates/daemonset.yaml"]), daemons); err != nil {
		t.Fatalf("%v in\n%s", err, files["kafkavet/templates/daemonset.yaml"])
	}
	text := files["kafkavet/templates/cronjob.yaml"]
	if strings.TrimSpace(text) == "" {
		return daemons, nil
	}
	if err := yaml.UnmarshalStrict([]byte(text), job); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return daemons, job
}

// checkPod fails where a pod has other rights than it needs, with or without the names of processes.
func checkPod(t *testing.T, pod corev1.PodSpec, hostPID bool) {
	t.Helper()
	rights := []corev1.Capability{"NET_RAW"}
	if hostPID {
		rights = append(rights, "SYS_PTRACE", "DAC_READ_SEARCH", "SETUID", "SETGID")
	}
	if !pod.HostNetwork || pod.HostPID != hostPID || pod.HostIPC || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Errorf("%+v", pod)
	}
	s := pod.Containers[0].SecurityContext
	if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || *s.Privileged ||
		!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || !slices.Equal(s.Capabilities.Add, rights) {
		t.Errorf("%+v", s)
	}
	if pod.Containers[0].Resources.Limits.Memory().IsZero() {
		t.Error("no limit of memory")
	}
}

func TestDefaults(t *testing.T) {
	daemons, job := render(t, "")
	if job != nil {
		t.Error("a job that nobody asked for")
	}
	if daemons.Kind != "DaemonSet" || daemons.Name != "watch" || daemons.Spec.Selector.MatchLabels["app.kubernetes.io/instance"] != "watch" {
		t.Errorf("%+v", daemons.ObjectMeta)
	}
	pod := daemons.Spec.Template.Spec
	checkPod(t, pod, false)
	if len(pod.Volumes) > 0 {
		t.Errorf("volumes that nobody asked for: %+v", pod.Volumes)
	}
	want := []string{"sniff", "-i", "any", "--fail-on", "never", "--listen", "127.0.0.1:9999", "--port", "9092"}
	if got := pod.Containers[0].Args; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if p := pod.Containers[0].LivenessProbe.HTTPGet; p.Host != "127.0.0.1" || p.Port.IntValue() != 9999 || p.Path != "/healthz" {
		t.Errorf("%+v", p)
	}
	if got := pod.Containers[0].Image; got != "kafkavet:0.2.0" {
		t.Errorf("image %s", got)
	}
}

func TestEveryValue(t *testing.T) {
	daemons, job := render(t, `
image: {repository: registry.example/kafkavet, tag: "1"}
imagePullSecrets: [{name: secret}]
args: [--port, "9093", --redact]
target: kafka-4.0
listen: {host: 0.0.0.0, port: 9998}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: low
hostPID: true
reportEvery: 5m
reportDirectory: /reports of kafkavet
cronJob: {enabled: true, duration: 10m, nodeSelector: {broker: "yes"}}
`)
	pod := daemons.Spec.Template.Spec
	checkPod(t, pod, true)
	want := []string{"--listen", "0.0.0.0:9998", "--report-every", "5m", "-o", "text:-", "-o", "json:/reports/$(POD_NAME)-%s.json", "--port", "9093", "--redact", "--target", "kafka-4.0"}
	if got := pod.Containers[0].Args[5:]; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if pod.Containers[0].LivenessProbe.HTTPGet.Host != "127.0.0.1" {
		t.Error("the probe asks an address that is none")
	}
	mount := pod.Containers[0].VolumeMounts[0]
	if len(pod.Volumes) != 1 || mount.Name != pod.Volumes[0].Name || mount.MountPath != "/reports" || pod.Volumes[0].HostPath.Path != "/reports of kafkavet" {
		t.Errorf("%+v, mounted as %+v", pod.Volumes, mount)
	}
	if env := pod.Containers[0].Env[0]; env.Name != "POD_NAME" || env.ValueFrom.FieldRef.FieldPath != "metadata.name" {
		t.Errorf("%+v", env)
	}
	pod = job.Spec.JobTemplate.Spec.Template.Spec
	checkPod(t, pod, true)
	want = []string{"sniff", "-i", "any", "-q", "--fail-on", "never", "--duration", "10m", "-o", "markdown:-", "--port", "9093", "--redact", "--target", "kafka-4.0"}
	if got := pod.Containers[0].Args; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if pod.Tolerations[0].Operator != corev1.TolerationOpExists || pod.PriorityClassName != "low" || pod.NodeSelector["broker"] != "yes" || pod.ImagePullSecrets[0].Name != "secret" {
		t.Errorf("%+v", pod)
	}
}
