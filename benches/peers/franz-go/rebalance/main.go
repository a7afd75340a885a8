// How long a group of 50 members in one process takes to rebalance, as tests/tests/rebalance_time.rs measures it of klamm:
// from the start of the members until the shares are even, and from one member's leaving, at moments spread over the heartbeat
// interval. Arguments: bootstrap, topic.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	members    = 50
	partitions = 200
	leavers    = 6
	rest       = 5 * time.Second
	heartbeats = 3 * time.Second
	patience   = 120 * time.Second
)

// What all members own, and how often a partition was taken from one.
type group struct {
	mutex   sync.Mutex
	owned   []map[int32]bool
	given   int
	stopped int
	// So many of the first members have left.
	left int
}

func main() {
	if len(os.Args) != 3 {
		fail("arguments: BOOTSTRAP TOPIC")
	}
	bootstrap, topic := os.Args[1], os.Args[2]
	group := &group{owned: make([]map[int32]bool, members)}
	clients := make([]*kgo.Client, members)
	start := time.Now()
	for member := range clients {
		clients[member] = group.join(member, bootstrap, topic)
		go poll(clients[member])
	}
	group.settled()
	fmt.Printf("franz-go: joined and stable after %.2f s with %d assignments of partitions; ", time.Since(start).Seconds(), group.given)
	group.mutex.Lock()
	group.stopped = 0
	group.mutex.Unlock()
	times := make([]float64, leavers)
	for leaver := range leavers {
		time.Sleep(rest + heartbeats*time.Duration(leaver)/leavers)
		start = time.Now()
		clients[leaver].Close()
		group.left++
		group.settled()
		times[leaver] = time.Since(start).Seconds()
	}
	slices.Sort(times)
	// Those of the members that left have to stop.
	fmt.Printf("%d left, stable after %.2f s, %d partitions stopped\n", leavers, times, group.stopped)
	for _, client := range clients[leavers:] {
		client.Close()
	}
}

func (g *group) join(member int, bootstrap, topic string) *kgo.Client {
	g.owned[member] = map[int32]bool{}
	gone := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { g.take(member, lost[topic]) }
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.DisableAutoCommit(), kgo.OnPartitionsRevoked(gone), kgo.OnPartitionsLost(gone),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given map[string][]int32) { g.give(member, given[topic]) }))
	if err != nil {
		fail("client: ", err)
	}
	return client
}

func poll(client *kgo.Client) {
	for !client.PollFetches(context.Background()).IsClientClosed() {
	}
}

func (g *group) give(member int, given []int32) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, partition := range given {
		g.owned[member][partition] = true
		g.given++
	}
}

func (g *group) take(member int, taken []int32) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, partition := range taken {
		delete(g.owned[member], partition)
		g.stopped++
	}
}

// Waits until every partition has one owner and the shares of all that are left are even.
func (g *group) settled() {
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		if g.isEven() {
			return
		}
		if time.Now().After(deadline) {
			fail("the group did not settle")
		}
	}
}

func (g *group) isEven() bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	owners := map[int32]int{}
	most, least := 0, partitions
	for _, owned := range g.owned[g.left:] {
		most, least = max(most, len(owned)), min(least, len(owned))
		for partition := range owned {
			owners[partition]++
		}
	}
	for _, count := range owners {
		if count != 1 {
			return false
		}
	}
	return len(owners) == partitions && most <= least+1
}

func fail(why ...any) {
	fmt.Fprintln(os.Stderr, why...)
	os.Exit(1)
}
