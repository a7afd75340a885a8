// franz-go, with the arguments, values and result line of the peers in Rust (see ../rust/peer).
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The library holds 10,000 records at most by default: less than a few full batches of small records.
const bufferedBytes = 64 << 20

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 9 && args[0] == "produce":
		produce(args[1], args[2], number(args[3]), number(args[4]), number(args[5]), number(args[6]), args[7], number(args[8]))
	case len(args) == 5 && args[0] == "consume":
		consume(args[1], args[2], number(args[3]))
	case len(args) == 6 && args[0] == "latency":
		latency(args[1], args[2], number(args[3]), number(args[4]), number(args[5]))
	case len(args) == 6 && args[0] == "end-to-end":
		endToEnd(args[1], args[2], number(args[3]), number(args[4]), number(args[5]))
	default:
		fail("arguments: see ../rust/peer/src/lib.rs")
	}
}

func produce(bootstrap, topic string, records, size, batchSize, lingerMS int, compression string, tasks int) {
	codec, known := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[compression]
	if !known {
		fail("compression " + compression + "?")
	}
	client := newProducer(bootstrap, topic, size, time.Duration(lingerMS)*time.Millisecond,
		kgo.ProducerBatchMaxBytes(int32(batchSize)), kgo.ProducerBatchCompression(codec))
	defer client.Close()
	values := payloads(size)
	sendFirst(client, values)

	var acknowledged atomic.Int64
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			fail("delivery: ", err)
		}
		acknowledged.Add(1)
	}
	start := now()
	var group sync.WaitGroup
	for task := range tasks {
		share := records / tasks
		if task < records%tasks {
			share++
		}
		group.Go(func() {
			for i := range share {
				client.Produce(context.Background(), kgo.SliceRecord(values[i%len(values)]), promise)
			}
		})
	}
	group.Wait()
	if err := client.Flush(context.Background()); err != nil {
		fail("flush: ", err)
	}
	if done := acknowledged.Load(); done != int64(records) {
		fail(done, " of ", records, " records were acknowledged")
	}
	start.report("produce", records, "")
}

func newProducer(bootstrap, topic string, size int, linger time.Duration, more ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(more,
		kgo.SeedBrokers(bootstrap), kgo.ClientID("bench"), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(linger),
		kgo.MaxBufferedRecords(max(10_000, bufferedBytes/size)))...)
	if err != nil {
		fail("client: ", err)
	}
	return client
}

func sendFirst(client *kgo.Client, values [][]byte) {
	if err := client.ProduceSync(context.Background(), kgo.SliceRecord(values[0])).FirstErr(); err != nil {
		fail("first record: ", err)
	}
}

func consume(bootstrap, topic string, records int) {
	// It would wait ten times as long as the others where no records come.
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ClientID("bench"), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		fail("client: ", err)
	}
	defer client.Close()
	var got, bytes int
	var start meter
	for got < records {
		patience, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		fetches := client.PollFetches(patience)
		cancel()
		fetches.EachError(func(_ string, _ int32, err error) { fail("only ", got, " records: ", err) })
		if got == 0 {
			start = now()
		}
		fetches.EachPartition(func(partition kgo.FetchTopicPartition) {
			got += len(partition.Records)
			for _, record := range partition.Records {
				bytes += len(record.Value)
			}
		})
	}
	start.report("consume", got, fmt.Sprintf(" bytes=%d", bytes))
}

func latency(bootstrap, topic string, rate, seconds, size int) {
	client := newProducer(bootstrap, topic, size, 0)
	defer client.Close()
	values := payloads(size)
	sendFirst(client, values)
	took := make([]time.Duration, rate*seconds)
	start := now()
	for i := range took {
		due := time.Duration(int64(i) * int64(time.Second) / int64(rate))
		time.Sleep(due - time.Since(start.at))
		called := time.Now()
		client.Produce(context.Background(), kgo.SliceRecord(values[i%len(values)]), func(_ *kgo.Record, err error) {
			if err != nil {
				fail("delivery: ", err)
			}
			took[i] = time.Since(called)
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		fail("flush: ", err)
	}
	start.report("latency", len(took), percentiles(took))
}

// From each send to the poll that hands the record out; a value begins with the time of its sending.
func endToEnd(bootstrap, topic string, rate, seconds, size int) {
	producer := newProducer(bootstrap, topic, size, 0)
	defer producer.Close()
	values := payloads(size)
	sendFirst(producer, values)
	consumer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ClientID("bench"), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		fail("client: ", err)
	}
	defer consumer.Close()
	// One more that does not count, to be sure that all is read up to here.
	sendFirst(producer, values)
	poll := func() kgo.Fetches {
		patience, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		fetches := consumer.PollFetches(patience)
		fetches.EachError(func(_ string, _ int32, err error) { fail("consuming: ", err) })
		return fetches
	}
	for got := 0; got < 2; {
		got += poll().NumRecords()
	}
	took := make([]time.Duration, 0, rate*seconds)
	start := now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(took) < cap(took) {
			fetches := poll()
			polled := time.Since(start.at)
			fetches.EachRecord(func(record *kgo.Record) {
				took = append(took, polled-time.Duration(binary.BigEndian.Uint64(record.Value)))
			})
		}
	}()
	for i := range rate * seconds {
		due := time.Duration(int64(i) * int64(time.Second) / int64(rate))
		time.Sleep(due - time.Since(start.at))
		value := slices.Clone(values[i%len(values)])
		binary.BigEndian.PutUint64(value, uint64(time.Since(start.at)))
		producer.Produce(context.Background(), kgo.SliceRecord(value), func(_ *kgo.Record, err error) {
			if err != nil {
				fail("delivery: ", err)
			}
		})
	}
	<-done
	start.report("end-to-end", len(took), percentiles(took))
}

func percentiles(took []time.Duration) string {
	slices.Sort(took)
	at := func(share float64) int64 {
		return took[min(len(took)-1, int(share*float64(len(took))))].Microseconds()
	}
	return fmt.Sprintf(" p50_us=%d p99_us=%d p99.9_us=%d max_us=%d", at(.5), at(.99), at(.999), at(1))
}

func payloads(size int) [][]byte {
	const text = `{"tenant":"acme","service":"checkout","event":"order-updated","v":`
	state := uint64(0x9e3779b97f4a7c15)
	values := make([][]byte, 1024)
	for i := range values {
		values[i] = make([]byte, size)
		for at := range values[i] {
			if at%16 < 8 {
				values[i][at] = text[at%len(text)]
				continue
			}
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			values[i][at] = "0123456789abcdef"[state>>40&15]
		}
	}
	return values
}

type meter struct {
	at  time.Time
	cpu time.Duration
}

func now() meter {
	cpu, _ := usage()
	return meter{time.Now(), cpu}
}

func (m meter) report(job string, records int, more string) {
	seconds := time.Since(m.at).Seconds()
	cpu, memory := usage()
	cpu -= m.cpu
	fmt.Printf("franz-go %s records=%d seconds=%.3f records_per_s=%.0f cpu_seconds=%.3f ns_cpu_per_record=%.1f maxrss_mib=%d%s\n",
		job, records, seconds, float64(records)/seconds, cpu.Seconds(), float64(cpu)/float64(records), memory, more)
}

func usage() (time.Duration, int64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail("getrusage: ", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), usage.Maxrss / 1024
}

func number(text string) int {
	number, err := strconv.Atoi(text)
	if err != nil {
		fail("not a number: ", text)
	}
	return number
}

func fail(why ...any) {
	fmt.Fprintln(os.Stderr, why...)
	os.Exit(1)
}
