package decode

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Latest is the name of the newest known release.
const Latest = "latest"

// confluentReleases are the releases of Confluent Platform with their Kafka release, newest
// first. Source:
// https://docs.confluent.io/platform/current/installation/versions-interoperability.html and, up
// to 5.5,
// https://docs.confluent.io/legacy/platform/5.5.15/installation/versions-interoperability.html.
var confluentReleases = []struct{ platform, kafka string }{
	{"8.1", "4.1"}, {"8.0", "4.0"},
	{"7.9", "3.9"}, {"7.8", "3.8"}, {"7.7", "3.7"}, {"7.6", "3.6"}, {"7.5", "3.5"}, {"7.4", "3.4"}, {"7.3", "3.3"}, {"7.2", "3.2"}, {"7.1", "3.1"}, {"7.0", "3.0"},
	{"6.2", "2.8"}, {"6.1", "2.7"}, {"6.0", "2.6"},
	{"5.5", "2.5"}, {"5.4", "2.4"}, {"5.3", "2.3"}, {"5.2", "2.2"}, {"5.1", "2.1"}, {"5.0", "2.0"},
	{"4.1", "1.1"}, {"4.0", "1.0"}, {"3.3", "0.11.0"}, {"3.2", "0.10.2"}, {"3.1", "0.10.1"}, {"3.0", "0.10.0"},
}

// vendorName matches other names of a Kafka release: "latest", "kafka-4", "4", "confluent-8.0",
// "cp-7.9.2", "msk-2.8.2.tiered", "msk-3.9.x.kraft". Amazon MSK uses Kafka's release numbers, and
// ZooKeeper before 4.0 unless the name ends in "kraft":
// https://docs.aws.amazon.com/msk/latest/developerguide/supported-kafka-versions.html,
// https://docs.aws.amazon.com/msk/latest/developerguide/metadata-management.html.
var vendorName = regexp.MustCompile(`^(?:(latest)|(?:kafka-)?([0-9]+)|(?:confluent|cp)-([0-9]+(?:\.[0-9]+)*)|msk-([0-9]+(?:\.[0-9]+)*)(?:\.x)?(?:[.-](kraft|tiered))?)$`)

// fromVendor converts a vendor's name to one that findTable accepts, with a note about it. It
// returns other names unchanged.
func fromVendor(all []*Table, name string) (release, note string, err error) {
	parts := vendorName.FindStringSubmatch(name)
	switch {
	case parts == nil:
		return name, "", nil
	case parts[1] != "":
		release = newest(all, "")
	case parts[2] != "":
		release = newest(all, parts[2])
	case parts[3] != "":
		i := slices.IndexFunc(confluentReleases, func(r struct{ platform, kafka string }) bool {
			return strings.HasPrefix(parts[3]+".", r.platform+".") || strings.HasPrefix(r.platform+".", parts[3]+".")
		})
		if i < 0 {
			return "", "", fmt.Errorf("%q: unknown release of Confluent Platform; the newest known is confluent-%s", name, confluentReleases[0].platform)
		}
		r := confluentReleases[i]
		return r.kafka, fmt.Sprintf("Confluent Platform %s contains Kafka %s", r.platform, r.kafka), nil
	default:
		note = "Amazon MSK uses Kafka's release numbers"
		wanted := parts[4]
		if release = samePatch(all, wanted); release == "" {
			break
		}
		if strings.Count(wanted, ".") > 1 && release != wanted {
			note += fmt.Sprintf("; there is no table of %s, that of %s is the nearest", wanted, release)
		}
		switch {
		case parts[5] == "kraft":
			release += "-" + string(KRaft)
		case compareReleases(release, "4") < 0:
			release += "-" + string(ZooKeeper)
		}
	}
	if release == "" {
		return "", "", fmt.Errorf("%q is an unknown release; %s", name, nearest(all, name))
	}
	return release, note, nil
}

// samePatch returns the release itself, or the nearest patch release of the same minor release: the
// next one, else the one before. Without a patch number it is the newest. It is empty for none.
func samePatch(all []*Table, release string) (found string) {
	if strings.Count(release, ".") < 2 {
		return newest(all, release)
	}
	for _, t := range all {
		if MinorRelease(t.Release) == MinorRelease(release) && (found == "" || compareReleases(found, release) < 0) {
			found = t.Release
		}
	}
	return found
}

// newest returns the newest release whose number begins with prefix, or of all; empty for none.
func newest(all []*Table, prefix string) string {
	for _, t := range slices.Backward(all) {
		if prefix == "" || strings.HasPrefix(t.Release+".", prefix+".") {
			return t.Release
		}
	}
	return ""
}

// VendorNames returns the names that FindTable accepts in addition to those of Tables, newest
// first.
func VendorNames() []string {
	names := []string{Latest}
	for _, r := range confluentReleases {
		names = append(names, "confluent-"+r.platform)
	}
	seen := map[string]bool{}
	for _, t := range slices.Backward(Tables()) {
		major, _, _ := strings.Cut(t.Release, ".")
		if minor := MinorRelease(t.Release); !seen[minor] {
			seen[minor] = true
			names = append(names, "msk-"+minor)
		}
		if major != "0" && !seen[major] {
			seen[major] = true
			names = append(names, "kafka-"+major)
		}
	}
	return names
}
