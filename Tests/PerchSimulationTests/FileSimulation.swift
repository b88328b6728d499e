// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersFile
import Testing

/// The real source of file waits over simulated files, on a loop that the test moves on.
final class FileSimulation {
    let loop: SteppedLoop
    let files: SimulatedFiles
    let view: SimulatedFileView
    private(set) var source: FileSource!  // because it reports to this object, which must be there before it
    private(set) var reports: [SourceReport] = []
    /// Called for each fire, in its instant.
    var onFire: ((Int64, JSONValue) -> Void)?

    init(
        files: SimulatedFiles? = nil, loop: SteppedLoop = SteppedLoop(), options: FileSource.Options = .init()
    ) {
        self.loop = loop
        let files = files ?? SimulatedFiles(now: { loop.now })
        self.files = files
        view = files.view()
        source = FileSource(loop: loop, options: options, files: view) { [unowned self] report in
            reports.append(report)
            if case .fired(let waitID, let payload) = report { onFire?(waitID, payload) }
        }
    }

    var fired: [Int64] {
        reports.compactMap { if case .fired(let waitID, _) = $0 { waitID } else { nil } }
    }

    func payload(of waitID: Int64) -> JSONValue? {
        for case .fired(waitID, let payload) in reports { return payload }
        return nil
    }

    /// What was stored last of a wait's past.
    func progress(of waitID: Int64) -> JSONValue? {
        for case .progressed(waitID, let progress) in reports.reversed() { return progress }
        return nil
    }

    func gauge(_ name: String) -> Int { source.gauges.first { $0.name == name }?.value ?? -1 }

    func add(_ waits: [(Int64, String)], stableFor: TimeSpan? = nil, minimumSize: Int? = nil) throws {
        source.add(
            try waits.map { waitID, path in
                try fileWait(waitID, path, stableFor: stableFor, minimumSize: minimumSize)
            })
    }

    /// Longer than it takes until an event arrives.
    func settle() { loop.pass(.milliseconds(10)) }

    /// Nothing is left of a source that was shut down.
    func end() {
        source.shutDown()
        #expect(files.watchCount == 0)
        loop.pass(.seconds(100))
        #expect(loop.timerCount == 0)
    }
}

func fileWait(
    _ waitID: Int64, _ path: String, stableFor: TimeSpan? = nil, minimumSize: Int? = nil,
    until: FileTrigger.Until = .there, atLeast: Int? = nil, progress: JSONValue? = nil, since: Int64 = .max / 2
) throws -> ArmedWait {
    let spec = try TriggerSpec(
        FileTrigger(path: path, stableFor: stableFor, minimumSize: minimumSize, until: until, atLeast: atLeast))
    return ArmedWait(
        waitID: waitID, kind: spec.kind, target: spec.target, definition: spec.definition,
        since: Timestamp(microseconds: since), progress: progress)
}
