// Writes records with franz-go, one batch a codec, each into the topic of its name:  go run . BOOTSTRAP
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		if err := produce(os.Args[1], "franz-go-"+name, codec); err != nil {
			fmt.Fprintln(os.Stderr, name, err)
			os.Exit(1)
		}
	}
}

func produce(bootstrap, topic string, codec kgo.CompressionCodec) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.DefaultProduceTopic(topic),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerLinger(time.Second),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	begin := time.UnixMilli(1_700_000_000_000)
	records := []*kgo.Record{
		{Timestamp: begin, Key: nil, Value: nil},
		{Timestamp: begin, Key: []byte{}, Value: []byte{}},
		{Timestamp: begin.Add(-time.Hour), Key: []byte{0xff, 0xfe}, Value: []byte("not UTF-8"), Headers: []kgo.RecordHeader{
			{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}},
		}},
	}
	for i := range 200 {
		records = append(records, &kgo.Record{
			Timestamp: begin.Add(time.Duration(i) * time.Millisecond),
			Key:       fmt.Appendf(nil, "key-%d", i),
			Value:     fmt.Appendf(nil, `{"user":%d,"state":"paid"}`, i*7919),
		})
	}
	return client.ProduceSync(context.Background(), records...).FirstErr()
}
