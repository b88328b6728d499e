// SPDX-License-Identifier: Apache-2.0
// A bundle of tasks that misbehave, for the executor's tests: started by them as a child process.

import Glibc
import PerchBundle
import PerchOperators
import PerchSDK

struct WallClock: PerchClock {
    var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }
}

/// Adds a line to the file that the params name, for what has to be seen from outside.
func note(_ context: TaskContext, _ line: String) throws {
    let path: String = try context.param("file")
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT, 0o644)
    defer { close(descriptor) }
    let text = line + "\n"
    write(descriptor, text, text.utf8.count)
}

if CommandLine.arguments.contains("broken") {
    fputs("the fixture was told to break\n", stderr)
    exit(7)
}

let dag = DAG("fixture") { dag in
    dag.task("quick") { context in "done" }
    dag.task("talk") { context in
        print("printed by the task")
        context.log.info("logged by the task")
    }
    dag.task("trap") { context in
        let numbers = [1, 2, 3]
        print(numbers[3 + context.tryNumber])
    }
    dag.task("exit") { _ in exit(3) }
    dag.task("spin") { _ in
        var count: UInt64 = 0
        while true { count &+= 1 }
    }
    dag.task("hoard") { _ in
        var hoard: [[UInt8]] = []
        while true { hoard.append([UInt8](repeating: 1, count: 1 << 20)) }
    }
    dag.task("garbage") { _ in
        for descriptor in Int32(3)..<64 {
            var kind: Int32 = 0
            var length = socklen_t(4)
            guard getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &kind, &length) == 0, kind == AF_UNIX else { continue }
            write(descriptor, "this is no frame at all", 23)
        }
        while true { pause() }
    }
    dag.task("huge") { _ in
        String(repeating: "x", count: 17 << 20)
    }
    dag.task("steps") { context in
        let first = try await context.step("first") {
            try note(context, "first")
            return 20
        }
        try await context.sleep(for: .seconds(3600))
        let second = try await context.step("second") { 22 }
        return first + second
    }
    dag.task("slow", killTimeout: .milliseconds(200), hasOnKill: true) { context in
        context.onKill { try note(context, "cleaned") }
        try await Task.sleep(for: .seconds(3600))
    }
    dag.task("innocent") { context in
        try await Task.sleep(for: .milliseconds(300))
        return context.mapIndex
    }
    dag.add("shell", .bash("sleep 3600 & echo $! >> {{ params.file }}; echo $$ >> {{ params.file }}; sleep 3600"))
}

await BundleHost.run(dags: [dag], descriptor: 0, clock: WallClock())
