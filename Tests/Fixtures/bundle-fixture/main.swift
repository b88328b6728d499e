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
    note(try context.param("file"), line)
}

func note(_ path: String, _ line: String) {
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT, 0o644)
    defer { close(descriptor) }
    let text = line + "\n"
    write(descriptor, text, text.utf8.count)
}

/// Counts slowly, and forgets nothing.
struct Ticker: AsyncTrigger {
    let file: String
    let name: String
    let ticks: Int
    let every: Int

    func run(_ context: TriggerContext) async throws -> Int {
        var done = try context.checkpoint(as: Int.self) ?? 0
        note(file, "\(name) begins at \(done) in \(getpid())")
        while done < ticks {
            try await context.sleep(for: .milliseconds(every))
            done += 1
            try await context.checkpoint(done)
            note(file, "\(name) \(done)")
        }
        return done
    }
}

/// Holds its thread: by computing, or by blocking.
struct Hog: AsyncTrigger {
    let file: String
    let blocks: Bool

    func run(_ context: TriggerContext) async throws -> Int {
        try await context.sleep(for: .milliseconds(50))
        note(file, "hog in \(getpid())")
        var count: UInt64 = 0
        while true { if blocks { pause() } else { count &+= 1 } }
    }
}

/// Ends its process, a moment after it began.
struct Bomb: AsyncTrigger {
    let file: String

    func run(_ context: TriggerContext) async throws -> Int {
        try await context.sleep(for: .milliseconds(30))
        note(file, "bomb in \(getpid())")
        abort()
    }
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
    DAG("tick") { dag in
        dag.sensor("ticker", Ticker(file: "{{ params.file }}", name: "ticker", ticks: 40, every: 50))
    },
    DAG("hogs") { dag in
        for number in 0..<10 {
            dag.sensor("good\(number)", Ticker(file: "{{ params.file }}", name: "good\(number)", ticks: 30, every: 20))
        }
        dag.sensor("spins", Hog(file: "{{ params.file }}", blocks: false))
        dag.sensor("blocks", Hog(file: "{{ params.file }}", blocks: true))
    },
    DAG("bombs") { dag in
        for number in 0..<40 {
            dag.sensor("good\(number)", Ticker(file: "{{ params.file }}", name: "good\(number)", ticks: 30, every: 20))
        }
        dag.sensor("bomb", Bomb(file: "{{ params.file }}"))
    },
    DAG("thousand") { dag in
        for number in 0..<1_000 {
            dag.sensor("tick\(number)", Ticker(file: "{{ params.file }}", name: "t\(number)", ticks: 2, every: 100))
        }
    },
    // Where it runs is told, and it runs until it is ended.
    DAG("stays") { dag in
        dag.task("stays", killTimeout: .milliseconds(100)) { context in
            try note(context, "stays in \(getpid())")
            try await Task.sleep(for: .seconds(3600))
        }
    },
    DAG("alone") { dag in
        dag.task("alone", killTimeout: .milliseconds(100), isolation: .process) { context in
            try note(context, "alone in \(getpid())")
            let go = try context.param("file") + "-go"
            while access(go, F_OK) != 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
    },
    DAG("alone-trap") { dag in
        dag.task("alone-trap", isolation: .process) { context in
            let numbers = [1, 2, 3]
            print(numbers[3 + context.tryNumber])
        }
    },
    DAG("surroundings") { dag in
        dag.task("surroundings") { _ in
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit)
            var found = ["data": String(limit.rlim_cur), "uid": String(getuid()), "gid": String(getgid())]
            found["nice"] = String(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
            var buffer = [CChar](repeating: 0, count: 4096)
            if let path = getcwd(&buffer, buffer.count) { found["directory"] = String(cString: path) }
            for name in ["FIXTURE_GIVEN", "PATH", "HOME", "LANG"] {
                found[name] = getenv(name).map { String(cString: $0) }
            }
            return found
        }
    },
    DAG("shell") { dag in
        dag.add("shell", .bash("sleep 3600 & echo $! $$ >> {{ params.file }}; sleep 3600"))
    },
]

/// A bundle of a version in which some triggers are missing.
let kept = CommandLine.arguments.contains("without-triggers") ? dags.filter { $0.definition.dagID == "quick" } : dags

await BundleHost.run(dags: kept, descriptor: 0, clock: WallClock(), held: TimeSpan(microseconds: 100_000))
