// gocql: main PORT WORKLOAD OPS CONCURRENCY
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gocql/gocql"
)

const (
	selectOne  = "SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?"
	insertOne  = "INSERT INTO bench.kv(id,name,email,age,score,created) VALUES (?,?,?,?,?,?)"
	selectPage = "SELECT pk,ck,a,b,c FROM bench.wide WHERE pk=?"
)

var created = time.Unix(1704067200, 0)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	check(err)
	return n
}

func connect(port int) *gocql.Session {
	cluster := gocql.NewCluster("127.0.0.1")
	cluster.Port = port
	cluster.ProtoVersion = 4
	cluster.NumConns = 1
	cluster.PageSize = 5000
	cluster.Timeout = 20 * time.Second
	session, err := cluster.CreateSession()
	check(err)
	return session
}

func pages(session *gocql.Session, rows int) {
	for seen := 0; seen < rows; {
		iterator := session.Query(selectPage, 1).Iter()
		var pk, ck int
		var a string
		var b int64
		var c float64
		for iterator.Scan(&pk, &ck, &a, &b, &c) {
			seen++
		}
		check(iterator.Close())
	}
}

func read(session *gocql.Session, key int) {
	var id, age int
	var name, email string
	var score float64
	var at time.Time
	check(session.Query(selectOne, key).Scan(&id, &name, &email, &age, &score, &at))
}

func write(session *gocql.Session, key int) {
	name, email := fmt.Sprintf("user-%08d", key), fmt.Sprintf("user%d@example.com", key)
	check(session.Query(insertOne, key, name, email, key%90, float64(key)*1.5, created).Exec())
}

func concurrently(ops int, concurrency int, operation func(key int)) {
	var next int64 = -1
	var group sync.WaitGroup
	for worker := 0; worker < concurrency; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := int(atomic.AddInt64(&next, 1)); i < ops; i = int(atomic.AddInt64(&next, 1)) {
				operation(i % 1000)
			}
		}()
	}
	group.Wait()
}

func main() {
	port, workload, ops, concurrency := argument(1), os.Args[2], argument(3), argument(4)
	session := connect(port)
	run := func(n int) {
		switch workload {
		case "page":
			pages(session, n)
		case "read":
			concurrently(n, concurrency, func(key int) { read(session, key) })
		default:
			concurrently(n, concurrency, func(key int) { write(session, key) })
		}
	}
	if workload == "page" {
		run(100000)
	} else {
		run(2000)
	}
	var before, after syscall.Rusage
	check(syscall.Getrusage(0, &before))
	start := time.Now()
	run(ops)
	wall := time.Since(start).Seconds()
	check(syscall.Getrusage(0, &after))
	cpu := float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano()) / 1e3
	fmt.Printf("{\"peer\":\"gocql\",\"wl\":\"%s\",\"ops\":%d,\"ops_s\":%.0f,\"cpu_us\":%.2f,\"rss_mb\":%d}\n",
		workload, ops, float64(ops)/wall, cpu/float64(ops), after.Maxrss/1024)
}
