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
    write(2, "the fixture was told to break\n", 30)
    exit(7)
}

let dags: [DAG] = [
    DAG("quick") { dag in dag.task("quick") { context in "done" } },
    DAG("talk") { dag in
        dag.task("talk") { context in
            print("printed by the task")
            context.log.info("logged by the task")
        }
    },
    DAG("trap") { dag in
        dag.task("trap") { context in
            let numbers = [1, 2, 3]
            print(numbers[3 + context.tryNumber])
        }
    },
    DAG("exit") { dag in dag.task("exit") { _ in exit(3) } },
    DAG("spin") { dag in
        dag.task("spin", killTimeout: .milliseconds(100)) { context in
            try note(context, "began")
            var count: UInt64 = 0
            while true { count &+= 1 }
        }
    },
    DAG("overdue") { dag in
        dag.task("overdue", executionTimeout: .milliseconds(100), killTimeout: .milliseconds(100)) { _ in
            try await Task.sleep(for: .seconds(3600))
        }
    },
    DAG("hoard") { dag in
        dag.task("hoard") { _ in
            var hoard: [[UInt8]] = []
            while true { hoard.append([UInt8](repeating: 1, count: 1 << 20)) }
        }
    },
    DAG("garbage") { dag in
        dag.task("garbage") { _ in
            for descriptor in Int32(3)..<64 {
                var kind: Int32 = 0
                var length = socklen_t(4)
                guard getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &kind, &length) == 0, kind == AF_UNIX else {
                    continue
                }
                write(descriptor, "\u{0}\u{0}\u{0}\u{4}garbage", 11)
            }
            while true { pause() }
        }
    },
    DAG("huge") { dag in dag.task("huge") { _ in String(repeating: "x", count: 17 << 20) } },
    DAG("steps") { dag in
        dag.task("steps") { context in
            let first = try await context.step("first") {
                try note(context, "first")
                return 20
            }
            try await context.sleep(for: .seconds(3600))
            let second = try await context.step("second") { 22 }
            return first + second
        }
    },
    DAG("slow") { dag in
        dag.task("slow", killTimeout: .seconds(5), hasOnKill: true) { context in
            context.onKill { try note(context, "cleaned") }
            try note(context, "began")
            try await Task.sleep(for: .seconds(3600))
        }
    },
    DAG("crowd") { dag in
        for number in 0..<10 {
            dag.task("innocent\(number)") { context in
                try await Task.sleep(for: .milliseconds(100))
                return number
            }
        }
        dag.task("guilty") { context in
            try await Task.sleep(for: .milliseconds(30))
            let numbers = [1, 2, 3]
            print(numbers[3 + context.tryNumber])
        }
    },
    DAG("shell") { dag in
        dag.add("shell", .bash("sleep 3600 & echo $! $$ >> {{ params.file }}; sleep 3600"))
    },
]

await BundleHost.run(dags: dags, descriptor: 0, clock: WallClock())
