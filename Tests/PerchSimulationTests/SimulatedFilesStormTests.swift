// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersFile
import Testing

/// Seeded storms of operations and faults on simulated files, against the real source.
@Suite(.timeLimit(.minutes(2)))
struct SimulatedFilesStormTests {
    private struct Wanted {
        var path: String
        var stableFor: TimeSpan?
        var minimumSize: Int?
        var until = FileTrigger.Until.there
        var atLeast: Int?
    }

    private static let patterns = [
        "/a/f", "/a/b/f", "/a/b/c/f", "/b/*", "/*/f", "/*/b/f", "/a/*/*.x", "/a/[bc]/c/g", "/c/h.x", "/g", "/a/b",
        "/*/*/*/f",
    ]
    private static let directories = ["a", "b", "c"]
    private static let names = ["a", "b", "c", "f", "g", "h.x"]

    @Test(
        "In a storm a wait fires once what it waits for stays, never without it, and leaves no watch",
        arguments: 0..<400)
    func storm(seed: Int) throws {
        var chance = SeededNumbers(seed: UInt64(seed) &* 7_919)
        let bench = FileSimulation(loop: SteppedLoop(seed: UInt64(seed)))
        var wanted: [Int64: Wanted] = [:]
        var lastID: Int64 = 0
        var isSetBack = false
        bench.onFire = { waitID, payload in
            guard let wait = wanted.removeValue(forKey: waitID), case .string(let path) = payload["path"] else {
                Issue.record("\(waitID) fired and was not waited for")
                return
            }
            guard wait.until == .there else {
                expectOver(waitID, wait, path, bench)
                return
            }
            if let atLeast = wait.atLeast {
                let paths = payload["paths"].map(strings) ?? [path]
                #expect(paths.count >= atLeast)
                for path in paths {
                    #expect(bench.files.exists(path))
                    if let size = bench.files.size(of: path) { #expect(size >= wait.minimumSize ?? 0) }
                }
            }
            let now = bench.loop.now
            #expect(bench.files.exists(path), "\(wait.path) fired without \(path)")
            guard let size = bench.files.size(of: path) else { return }
            #expect(size >= wait.minimumSize ?? 0)
            let status = bench.view.status(of: path, followsLinks: true)
            // What a clock says that was set back is no measure.
            guard !isSetBack, let stable = wait.stableFor, case .success(let status) = status else { return }
            #expect(now - status.modified / 1_000 >= stable.microseconds, "\(path) fired while it changed")
        }
        for _ in 0..<chance.one(of: [20, 60, 200]) {
            switch chance.below(100) {
            case 0..<12:
                lastID += 1
                let wait = oneWanted(&chance)
                wanted[lastID] = wait
                bench.source.add([
                    try fileWait(
                        lastID, wait.path, stableFor: wait.stableFor, minimumSize: wait.minimumSize, until: wait.until,
                        atLeast: wait.atLeast)
                ])
            case 12..<15:
                guard let waitID = wanted.keys.min() else { break }
                wanted[waitID] = nil
                bench.source.remove(waitID)
            case 15..<17:
                if let waitID = wanted.keys.max() { bench.source.probeNow(waitID) {} }
            case 17..<40: bench.loop.pass(TimeSpan(microseconds: Int64(chance.below(2_500))))
            case 40: bench.loop.pass(.seconds(Int64(chance.below(8))))
            case 41: bench.loop.jump(.seconds(Int64(chance.below(30))))
            case 42:
                guard seed % 4 == 0 else { break }
                isSetBack = true
                bench.loop.setBack(.seconds(Int64(chance.below(30))))
            case 43: bench.files.overflowNext()
            case 44: bench.files.watchLimit = chance.one(of: [nil, 0, 1, 2])
            case 45, 46: bench.files.setOpen(path(&chance, most: 2), chance.below(2) == 0)
            case 47, 48: bench.files.setFault(path(&chance, most: 2), chance.one(of: [EACCES, EIO, nil, nil]))
            default: act(bench.files, &chance)
            }
        }
        bench.files.heal()
        bench.loop.pass(.seconds(isSetBack ? 300 : 70))
        for (waitID, wait) in wanted.sorted(by: { $0.key < $1.key }) {
            #expect(
                !isTrue(waitID, wait, bench),
                "seed \(seed): wait \(waitID) for \(wait) has not fired: \(bench.source.explain(waitID)?.sentences ?? [])"
            )
            bench.source.remove(waitID)
        }
        bench.settle()
        #expect(bench.gauge("file_watches") == 0, "seed \(seed)")
        #expect(bench.gauge("file_directories") == 0, "seed \(seed)")
        #expect(bench.gauge("file_directories_polled") == 0, "seed \(seed)")
        #expect(bench.gauge("files_settling") == 0, "seed \(seed)")
        #expect(bench.files.watchCount == 0, "seed \(seed)")
        bench.end()
    }

    private func oneWanted(_ chance: inout SeededNumbers) -> Wanted {
        var wait = Wanted(path: chance.one(of: Self.patterns))
        switch chance.below(6) {
        case 0: wait.until = .removed
        case 1:
            wait.until = .changed
            wait.path = chance.one(of: Self.patterns.filter { !$0.contains("*") && !$0.contains("[") })
        case 2 where wait.path.contains("*"):
            wait.atLeast = 1 + chance.below(3)
            wait.stableFor = chance.one(of: [nil, nil, .seconds(3)])
            wait.minimumSize = chance.one(of: [nil, nil, 20])
        default:
            wait.stableFor = chance.one(of: [nil, nil, .seconds(3)])
            wait.minimumSize = chance.one(of: [nil, nil, 20])
        }
        return wait
    }

    /// What is so at the moment of a fire, or should have led to one.
    private func isTrue(_ waitID: Int64, _ wait: Wanted, _ bench: FileSimulation) -> Bool {
        switch wait.until {
        case .removed: return matches(of: wait.path, in: bench.files, withDeadLinks: true).isEmpty
        case .changed:
            // Nobody has ever been able to look: nothing can be said.
            guard let before = bench.progress(of: waitID) else { return false }
            guard case .success(let status) = bench.view.status(of: wait.path, followsLinks: true) else {
                return before["absent"] == nil
            }
            return before["size"] != .integer(status.size) || before["modified"] != .integer(status.modified)
                || before["inode"] != .integer(Int64(status.inode))
        case .there:
            let found = matches(of: wait.path, in: bench.files).filter {
                bench.files.size(of: $0).map { $0 >= wait.minimumSize ?? 0 } ?? true
            }
            return found.count >= wait.atLeast ?? 1
        }
    }

    private func expectOver(_ waitID: Int64, _ wait: Wanted, _ path: String, _ bench: FileSimulation) {
        #expect(isTrue(waitID, wait, bench), "\(waitID) for \(wait) fired too early")
    }

    private func strings(_ value: JSONValue) -> [String] {
        guard case .array(let values) = value else { return [] }
        return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }

    private func path(_ chance: inout SeededNumbers, most depth: Int) -> String {
        var path = ""
        for _ in 0..<chance.below(depth) { path += "/" + chance.one(of: Self.directories) }
        return path + "/" + chance.one(of: depth == 2 ? Self.directories : Self.names)
    }

    private func act(_ files: SimulatedFiles, _ chance: inout SeededNumbers) {
        let one = path(&chance, most: 4)
        switch chance.below(12) {
        case 0, 1, 2: files.makeDirectory(one)
        case 3: files.makeDirectories(path(&chance, most: 3))
        case 4, 5: files.write(one, size: Int64(chance.below(40)), closes: chance.below(3) > 0)
        case 6: files.append(one, Int64(chance.below(20)), closes: chance.below(3) > 0)
        case 7, 8: files.move(one, to: path(&chance, most: 4))
        case 9: files.remove(one)
        case 10: files.removeDirectory(one)
        default: if chance.below(4) == 0 { files.link(one, to: path(&chance, most: 3)) } else { files.remove(one) }
        }
    }

    /// What a pattern matches, found by looking everywhere.
    private func matches(
        of pattern: String, in files: SimulatedFiles, withDeadLinks: Bool = false
    ) -> [String] {
        var found = [""]
        for component in pattern.split(separator: "/").map(String.init) {
            found = found.flatMap { directory in
                files.names(in: directory.isEmpty ? "/" : directory)
                    .filter { fnmatch(component, $0, FNM_PERIOD) == 0 }
                    .map { "\(directory)/\($0)" }
            }
        }
        return withDeadLinks ? found : found.filter(files.exists)
    }
}
