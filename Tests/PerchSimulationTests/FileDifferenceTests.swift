// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersFile
import PerchTriggersTestSupport
import Synchronization
import Testing

/// The same source on the machine's files and on simulated ones: what holds in the simulation holds on a machine.
@Suite(.timeLimit(.minutes(2)))
struct FileDifferenceTests {
    private static let patterns = [
        "a/f", "a/b/f", "a/b/c/f", "b/*", "*/f", "*/b/f", "a/*/*.x", "a/[bc]/c/g", "c/h.x", "g", "a/b", "f",
    ]
    private static let directories = ["a", "b", "c"]
    private static let names = ["a", "b", "c", "f", "g", "h.x"]

    @Test("The same operations on real and on simulated files fire the same waits, step by step", arguments: 0..<12)
    func same(seed: Int) async throws {
        let real = try RealFiles()
        let passed = Mutex<Int64>(0)
        var options = FileSource.Options()
        options.pollEvery = .seconds(300)
        options.verifyEvery = .seconds(300)
        let bench = try await SourceBench(now: { ThreadReactor.wallClock() + passed.withLock { $0 } }) {
            [options] loop, report in
            FileSource(loop: loop, options: options, report: report)
        }
        defer { bench.end() }
        let simulation = FileSimulation(options: options)
        simulation.files.makeDirectories(real.path)
        var chance = SeededNumbers(seed: UInt64(seed) &* 15_485_863)
        var waiting: [Int64] = []
        var lastID: Int64 = 0
        for step in 0..<150 {
            var what = ""
            switch chance.below(12) {
            case 0, 1:
                lastID += 1
                waiting.append(lastID)
                let wait = try fileWait(
                    lastID, "\(real.path)/\(chance.one(of: Self.patterns))",
                    stableFor: chance.one(of: [nil, nil, .seconds(3_600)]), minimumSize: chance.one(of: [nil, nil, 20]))
                what = "wait \(lastID) for \(wait.definition.text)"
                try await bench.add([wait])
                simulation.source.add([wait])
            case 2 where step % 3 == 0:
                guard let waitID = waiting.randomElement(using: &chance) else { continue }
                what = "removed \(waitID)"
                try await bench.on { source, _ in source.remove(waitID) }
                simulation.source.remove(waitID)
            case 3:
                let minutes = chance.one(of: [7, 25, 61] as [Int64])
                what = "\(minutes) minutes"
                passed.withLock { $0 += minutes * 60_000_000 }
                try await bench.pass(.zero)
                simulation.loop.jump(.seconds(minutes * 60))
            default:
                // What only grows is found however many operations there are before anybody looks.
                let operations =
                    seed % 2 == 0 ? [operation(&chance)] : (0...chance.below(8)).map { _ in growth(&chance) }
                what = "\(operations)"
                for operation in operations {
                    let numbers = (real.act(operation), act(operation, simulation.files, real.path))
                    #expect(numbers.0 == numbers.1, "seed \(seed), step \(step): \(operation) of \(what)")
                }
            }
            try await settle(bench, simulation, real, step)
            #expect(bench.fired.sorted() == simulation.fired.sorted(), "seed \(seed), step \(step): \(what)")
            for gauge in ["file_waits", "file_watches", "file_directories", "files_settling"] {
                let value = try await bench.on { source, _ in source.gauges.first { $0.name == gauge }?.value }
                #expect(value == simulation.gauge(gauge), "seed \(seed), step \(step): \(what): \(gauge)")
            }
            guard bench.fired.sorted() == simulation.fired.sorted() else { return }
        }
        simulation.end()
    }

    @Test("Waits for files to go, to change and to gather fire alike on real and on simulated files", arguments: 0..<8)
    func sameAims(seed: Int) async throws {
        let real = try RealFiles()
        var options = FileSource.Options()
        options.pollEvery = .seconds(300)
        options.verifyEvery = .seconds(300)
        let bench = try await SourceBench { [options] loop, report in
            FileSource(loop: loop, options: options, report: report)
        }
        defer { bench.end() }
        let simulation = FileSimulation(options: options)
        simulation.files.makeDirectories(real.path)
        var chance = SeededNumbers(seed: UInt64(seed) &* 32_452_843)
        var lastID: Int64 = 0
        for step in 0..<150 {
            var what = ""
            if chance.below(4) == 0 {
                lastID += 1
                let wait = try aim(lastID, real.path, &chance)
                what = "wait \(lastID) for \(wait.definition.text)"
                try await bench.add([wait])
                simulation.source.add([wait])
            } else {
                let operation = aimOperation(step, &chance)
                what = "\(operation)"
                let numbers = (real.act(operation), act(operation, simulation.files, real.path))
                #expect(numbers.0 == numbers.1, "seed \(seed), step \(step): \(what)")
            }
            try await settle(bench, simulation, real, step)
            #expect(bench.fired.sorted() == simulation.fired.sorted(), "seed \(seed), step \(step): \(what)")
            for gauge in ["file_waits", "file_watches", "file_directories"] {
                let value = try await bench.on { source, _ in source.gauges.first { $0.name == gauge }?.value }
                #expect(value == simulation.gauge(gauge), "seed \(seed), step \(step): \(what): \(gauge)")
            }
            guard bench.fired.sorted() == simulation.fired.sorted() else { return }
        }
        #expect(simulation.fired.count > 150)
        simulation.end()
    }

    private func aim(_ waitID: Int64, _ base: String, _ chance: inout SeededNumbers) throws -> ArmedWait {
        let one = "\(base)/\(filePath(&chance))"
        let many = "\(base)/\(chance.one(of: ["*/f", "a/*", "b/[fg]", "*/*/f", "a/*/*.x"]))"
        return switch chance.below(5) {
        case 0, 1: try fileWait(waitID, one, until: .changed)
        case 2: try fileWait(waitID, one, until: .removed)
        case 3: try fileWait(waitID, many, until: .removed)
        default: try fileWait(waitID, many, atLeast: 1 + chance.below(3))
        }
    }

    private func filePath(_ chance: inout SeededNumbers) -> String {
        let parts = (0..<chance.below(3)).map { _ in chance.one(of: Self.directories) }
        return (parts + [chance.one(of: ["f", "g", "h.x"])]).joined(separator: "/")
    }

    /// Each file gets a length of its own: two changes within a tick of the kernel's clock have one time.
    private func aimOperation(_ step: Int, _ chance: inout SeededNumbers) -> FileOperation {
        let one = filePath(&chance)
        let directories = (0...chance.below(2)).map { _ in chance.one(of: Self.directories) }.joined(separator: "/")
        return switch chance.below(8) {
        case 0, 1: .makeDirectory(directories)
        case 2: .removeDirectory(directories)
        case 3, 4: .write(one, 1_000 + step)
        case 5: .move(one, filePath(&chance))
        default: .remove(one)
        }
    }

    /// A file of its own for each step: when its event has come, those before it have.
    private func settle(
        _ bench: SourceBench<FileSource>, _ simulation: FileSimulation, _ real: RealFiles, _ step: Int
    ) async throws {
        let waitID = Int64(1_000_000 + step)
        let wait = try fileWait(waitID, "\(real.path)/step-\(step)")
        try await bench.add([wait])
        simulation.source.add([wait])
        let operation = FileOperation.write("step-\(step)", 1)
        #expect(real.act(operation) == 0)
        #expect(act(operation, simulation.files, real.path) == 0)
        try await bench.until("step \(step)") { reports in
            reports.contains { if case .fired(waitID, _) = $0 { true } else { false } }
        }
        try await bench.pass(.zero)
        simulation.settle()
    }

    private func path(_ chance: inout SeededNumbers) -> String {
        var parts: [String] = []
        for _ in 0..<chance.below(4) { parts.append(chance.one(of: Self.directories)) }
        return (parts + [chance.one(of: Self.names)]).joined(separator: "/")
    }

    private func operation(_ chance: inout SeededNumbers) -> FileOperation {
        let one = path(&chance)
        return switch chance.below(10) {
        case 0, 1, 2: .makeDirectory(one)
        case 3, 4: .write(one, chance.below(40))
        case 5: .append(one, 1 + chance.below(20))
        case 6, 7: .move(one, path(&chance))
        case 8: .removeDirectory(one)
        default: chance.below(3) == 0 ? .link(one, path(&chance)) : .remove(one)
        }
    }

    private func growth(_ chance: inout SeededNumbers) -> FileOperation {
        let one = path(&chance)
        // No links: one that leads nowhere yet is polled, so it would matter who comes first.
        return chance.below(2) == 0 ? .makeDirectory(one) : .append(one, 1 + chance.below(20))
    }

    private func act(_ operation: FileOperation, _ files: SimulatedFiles, _ base: String) -> Int32 {
        switch operation {
        case .makeDirectory(let path): files.makeDirectory("\(base)/\(path)")
        case .removeDirectory(let path): files.removeDirectory("\(base)/\(path)")
        case .write(let path, let size): files.write("\(base)/\(path)", size: Int64(size))
        case .append(let path, let size): files.append("\(base)/\(path)", Int64(size))
        case .move(let old, let new): files.move("\(base)/\(old)", to: "\(base)/\(new)")
        case .remove(let path): files.remove("\(base)/\(path)")
        case .link(let path, let target): files.link("\(base)/\(path)", to: "\(base)/\(target)")
        }
    }
}

enum FileOperation {
    case makeDirectory(String)
    case removeDirectory(String)
    case write(String, Int)
    case append(String, Int)
    case move(String, String)
    case remove(String)
    /// A link at the first to the second.
    case link(String, String)
}

/// A temporary directory of the machine, with operations that give 0 or the errno.
final class RealFiles: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/perch-simulation-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ReactorError(call: "mkdtemp", number: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        // The path is made here, and a left-over in /tmp is no reason to fail.
        _ = system("rm -rf '\(path)'")
    }

    func act(_ operation: FileOperation) -> Int32 {
        switch operation {
        case .makeDirectory(let name): mkdir("\(path)/\(name)", 0o755) == 0 ? 0 : errno
        case .removeDirectory(let name): rmdir("\(path)/\(name)") == 0 ? 0 : errno
        case .write(let name, let size): put(name, size, O_TRUNC)
        case .append(let name, let size): put(name, size, O_APPEND)
        case .move(let old, let new): rename("\(path)/\(old)", "\(path)/\(new)") == 0 ? 0 : errno
        case .link(let name, let target): symlink("\(path)/\(target)", "\(path)/\(name)") == 0 ? 0 : errno
        case .remove(let name): unlink("\(path)/\(name)") == 0 ? 0 : errno
        }
    }

    private func put(_ name: String, _ size: Int, _ flag: Int32) -> Int32 {
        let file = open("\(path)/\(name)", O_WRONLY | O_CREAT | flag, 0o644)
        guard file >= 0 else { return errno }
        defer { close(file) }
        return write(file, [UInt8](repeating: 0, count: size), size) == size ? 0 : errno
    }
}
