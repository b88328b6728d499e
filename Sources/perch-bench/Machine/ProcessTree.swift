// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What some processes and everything under them take from the machine.
struct ProcessTree: Sendable {
    let roots: [Int32]

    /// The processes and all their descendants.
    var members: [Int32] {
        get throws {
            var parents: [Int32: Int32] = [:]
            for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
                guard let pid = Int32(entry), let fields = Self.stat(pid), let parent = Int32(fields[1]) else {
                    continue
                }
                parents[pid] = parent
            }
            var found: Set<Int32> = Set(roots)
            var isGrowing = true
            while isGrowing {
                isGrowing = false
                for (pid, parent) in parents where found.contains(parent) && !found.contains(pid) {
                    found.insert(pid)
                    isGrowing = true
                }
            }
            return found.sorted()
        }
    }

    /// The proportional set size in bytes: of the roots, and of all.
    func resident() throws -> (engine: Double, all: Double) {
        var engine = 0.0
        var all = 0.0
        for pid in try members {
            let path = "/proc/\(pid)/smaps_rollup"
            let read = try? String(contentsOfFile: path, encoding: .utf8)  // because a process may have ended meanwhile
            guard let text = read else { continue }
            for line in text.split(separator: "\n") where line.hasPrefix("Pss:") {
                let kilobytes = Double(line.split(separator: " ")[1]) ?? 0
                all += kilobytes * 1024
                if roots.contains(pid) { engine += kilobytes * 1024 }
            }
        }
        return (engine, all)
    }

    /// What the processes hold of the kernel: open descriptors, threads, and inotify watches.
    func holdings() throws -> (descriptors: Int, threads: Int, watches: Int) {
        var (descriptors, threads, watches) = (0, 0, 0)
        for pid in try members {
            let open = Self.entries("/proc/\(pid)/fd")
            descriptors += open.count
            threads += Self.entries("/proc/\(pid)/task").count
            for descriptor in open {
                let path = "/proc/\(pid)/fdinfo/\(descriptor)"
                let read = try? String(contentsOfFile: path, encoding: .utf8)  // because it may be closed by now
                watches += read?.split(separator: "\n").count { $0.hasPrefix("inotify wd:") } ?? 0
            }
        }
        return (descriptors, threads, watches)
    }

    private static func entries(_ path: String) -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: path)  // because a process may have ended
        return names ?? []
    }

    /// CPU time used so far, in seconds.
    func processorTime() throws -> Double {
        let times = try processorTimes()
        return times.roots + times.others
    }

    /// CPU time used so far, in seconds, of the roots and of all others.
    func processorTimes() throws -> (roots: Double, others: Double) {
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        var times = (roots: 0.0, others: 0.0)
        for pid in try members {
            guard let fields = Self.stat(pid), let user = Double(fields[11]), let system = Double(fields[12]) else {
                continue
            }
            let seconds = (user + system) / ticks
            if roots.contains(pid) { times.roots += seconds } else { times.others += seconds }
        }
        return times
    }

    /// The fields of `/proc/<pid>/stat` after the name; the first is the state.
    private static func stat(_ pid: Int32) -> [Substring]? {
        let path = "/proc/\(pid)/stat"
        let read = try? String(contentsOfFile: path, encoding: .utf8)  // because a process may have ended meanwhile
        guard let text = read, let end = text.lastIndex(of: ")") else { return nil }
        return text[text.index(end, offsetBy: 2)...].split(separator: " ")
    }
}
