// Command image writes an OCI image with the binaries of a release, as an archive that
// podman load, docker load and skopeo read:
//
//	go run ./deploy/image -version 0.2.0 -commit HASH -date SECONDS -o image.tar amd64=FILE arm64=FILE
//
// It needs no daemon and no base image: the only file in the image is /kafkavet. The same
// input gives the same bytes. The format is that of
// https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// Media types of the image specification.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// object is a JSON object: its keys are written in order.
type object = map[string]any

// image is what is being written. The first error stays.
type image struct {
	version, commit string
	date            time.Time
	archive         *tar.Writer
	err             error
}

func main() {
	var i image
	f := flag.NewFlagSet("image", flag.ExitOnError)
	f.StringVar(&i.version, "version", "", "the version")
	f.StringVar(&i.commit, "commit", "", "the hash of the commit")
	date := f.Int64("date", 0, "the date of everything, in seconds since 1970")
	path := f.String("o", "", "the file to write")
	_ = f.Parse(os.Args[1:]) // ExitOnError
	i.date = time.Unix(*date, 0).UTC()
	if err := i.write(*path, f.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// write writes the archive, with an image for each ARCHITECTURE=BINARY.
func (i *image) write(path string, binaries []string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	i.archive = tar.NewWriter(file)
	var manifests []object
	for _, b := range binaries {
		architecture, binary, _ := strings.Cut(b, "=")
		data, err := os.ReadFile(binary)
		if err != nil {
			return err
		}
		manifests = append(manifests, i.manifest(architecture, data))
	}
	index := i.blobJSON(typeIndex, object{"schemaVersion": 2, "mediaType": typeIndex, "manifests": manifests})
	index["annotations"] = object{"org.opencontainers.image.ref.name": "kafkavet:" + i.version}
	i.addJSON("index.json", object{"schemaVersion": 2, "mediaType": typeIndex, "manifests": []object{index}})
	i.addJSON("oci-layout", object{"imageLayoutVersion": "1.0.0"})
	i.fail(i.archive.Close())
	i.fail(file.Close())
	return i.err
}

// manifest adds the image of one architecture, and returns its descriptor.
func (i *image) manifest(architecture string, binary []byte) object {
	var layer bytes.Buffer
	t := tar.NewWriter(&layer)
	i.add(t, "kafkavet", 0o755, binary)
	i.fail(t.Close())
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is valid
	_, err := z.Write(layer.Bytes())
	i.fail(err)
	i.fail(z.Close())
	labels := object{
		"org.opencontainers.image.title":    "kafkavet",
		"org.opencontainers.image.version":  i.version,
		"org.opencontainers.image.revision": i.commit,
		"org.opencontainers.image.source":   "https://github.com/kafkavet/kafkavet",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	config := i.blobJSON(typeConfig, object{
		"created": i.date, "os": "linux", "architecture": architecture,
		"config":  object{"Entrypoint": []string{"/kafkavet"}, "Labels": labels},
		"rootfs":  object{"type": "layers", "diff_ids": []string{digest(layer.Bytes())}},
		"history": []object{{"created": i.date, "created_by": "kafkavet"}},
	})
	manifest := i.blobJSON(typeManifest, object{
		"schemaVersion": 2, "mediaType": typeManifest, "config": config,
		"layers": []object{i.blob(typeLayer, packed.Bytes())}, "annotations": labels,
	})
	manifest["platform"] = object{"os": "linux", "architecture": architecture}
	return manifest
}

// blob adds content under its digest, and returns its descriptor.
func (i *image) blob(mediaType string, data []byte) object {
	d := digest(data)
	i.add(i.archive, "blobs/"+strings.Replace(d, ":", "/", 1), 0o644, data)
	return object{"mediaType": mediaType, "digest": d, "size": len(data)}
}

func (i *image) blobJSON(mediaType string, value object) object {
	data, err := json.Marshal(value)
	i.fail(err)
	return i.blob(mediaType, data)
}

func (i *image) addJSON(name string, value object) {
	data, err := json.Marshal(value)
	i.fail(err)
	i.add(i.archive, name, 0o644, data)
}

// add adds a file to an archive.
func (i *image) add(to *tar.Writer, name string, mode int64, data []byte) {
	i.fail(to.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data)), ModTime: i.date}))
	_, err := to.Write(data)
	i.fail(err)
}

// fail keeps the first error.
func (i *image) fail(err error) {
	if i.err == nil {
		i.err = err
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
