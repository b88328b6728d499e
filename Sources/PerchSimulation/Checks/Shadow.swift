// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What the audit says there is: grown row by row, while each row is held against the rules.
struct Shadow {
    struct Place: Hashable {
        var runKey: Int64
        var taskIndex: Int
    }

    struct InstancePlace: Hashable {
        var place: Place
        var mapIndex: Int
    }

    struct Entry: Hashable {
        var id: Int64
        var tryNumber: Int
        var key: String
    }

    struct Run {
        var versionID: Int64
        var name: String
        var state: RunState
        var wasCancelled = false
        /// Whether anything of it was cleared, so that what came after what may not be read off its last states.
        var wasCleared = false
    }

    struct Instance {
        var place: InstancePlace
        var state: TaskState
        var tryNumber: Int
        var dispatchID: Int64
        /// The try at which the budget of retries began.
        var firstTry: Int
    }

    private(set) var runs: [Int64: Run] = [:]
    private(set) var instances: [Int64: Instance] = [:]
    private var byPlace: [Place: [Int64]] = [:]
    private var lengths: [Place: Int] = [:]
    private var highestTry: [InstancePlace: Int] = [:]
    private var dispatches: Set<Int64> = []
    private(set) var waits: [Int64: Entry] = [:]
    private var waitOf: [Int64: Int64] = [:]
    private var ended: [Entry: (deadline: Int64?, due: Int64?)] = [:]
    /// Waits for events: from which `seq` on, and for which name and key.
    private var eventWaits: [Entry: (floor: Int64, name: String, key: String?)] = [:]
    private var outcomes: Set<Entry> = []
    private var unsettled: [(entry: Entry, row: AuditRow)] = []
    private var touched: Set<Int64> = []
    private var lastWait: Int64 = 0
    private var lastEvent: Int64 = 0
    private var events: [Int64: (received: Int64, name: String, key: String?)] = [:]
    /// Events that are not kept any more.
    private var cleaned: Set<Int64> = []
    private var definitions: [Int64: DAGDefinition] = [:]
    private var history: [Int64: [AuditRow]] = [:]
    private var found: [Violation] = []
    /// How far the wall clock may have gone back between the decision to fire and the commit.
    var clockSlack: Int64 = 0

    /// The last rows about a task instance, for people.
    func rows(about id: Int64) -> [String] { (history[id] ?? []).suffix(12).map(\.description) }

    mutating func take(_ rows: [AuditRow], on connection: any SQLConnection) throws -> [Violation] {
        for row in rows {
            if row.id != 0 { history[row.id, default: []].append(row) }
            switch row.what {
            case "run+": runAdded(row)
            case "run": try runChanged(row, on: connection)
            case "run-":
                if let run = runs.removeValue(forKey: row.runKey), !run.state.isFinished {
                    violate("run removed", "the run \(run.name) was removed while it was \(run.state)", row)
                }
            case "task+": try instanceAdded(row, on: connection)
            case "task": try instanceChanged(row, on: connection)
            case "task-": instanceRemoved(row)
            case "map+": try mapped(row, on: connection)
            case "map-": lengths[Place(runKey: row.runKey, taskIndex: row.taskIndex)] = nil
            case "wait+": waitAdded(row)
            case "wait-": waitEnded(row)
            case "journal+", "journal": if row.text != nil { outcome(row) }
            case "journal-": outcomes.remove(entry(row))
            case "event+": eventAdded(row)
            case "event-": cleaned.insert(row.number ?? 0)
            default: break
            }
        }
        settle()
        defer { found = [] }
        return found
    }

    private mutating func violate(_ rule: String, _ sentence: String, _ row: AuditRow) {
        let rows = row.id != 0 ? self.rows(about: row.id) : [row.description]
        found.append(Violation(rule, sentence, rows: rows))
    }

    private func entry(_ row: AuditRow) -> Entry {
        Entry(id: row.id, tryNumber: row.tryNumber, key: row.key ?? "")  // because every row with an entry has a key
    }

    private mutating func definition(_ versionID: Int64, on connection: any SQLConnection) throws -> DAGDefinition {
        if let known = definitions[versionID] { return known }
        var text = ""
        try connection.query("SELECT definition FROM dag_version WHERE version_id = :1", [.integer(versionID)]) {
            text = $0.text(0)
        }
        let definition = try DAGDefinition(parsing: text)
        definitions[versionID] = definition
        return definition
    }

    // MARK: runs

    private mutating func runAdded(_ row: AuditRow) {
        let state = row.newState.flatMap(RunState.init(rawValue:)) ?? .queued  // because a run begins so
        runs[row.runKey] = Run(versionID: row.number ?? 0, name: row.text ?? "", state: state)
        if state != .queued { violate("run state", "the run \(row.text ?? "") began as \(state)", row) }
    }

    private mutating func runChanged(_ row: AuditRow, on connection: any SQLConnection) throws {
        guard let run = runs[row.runKey], let old = row.oldState.flatMap(RunState.init(rawValue:)),
            let new = row.newState.flatMap(RunState.init(rawValue:))
        else { return violate("run state", "the run \(row.runKey) changed to a state that there is not", row) }
        runs[row.runKey]?.state = new
        runs[row.runKey]?.wasCancelled = row.text != nil
        guard old != new else { return }
        if !LegalStates.mayFollow(old, new) {
            violate("run state", "the run \(run.name) went from \(old) to \(new)", row)
        }
        if new == .running, old.isFinished { runs[row.runKey]?.wasCleared = true }
        guard old == .running, new.isFinished else { return }
        let tasks = try definition(run.versionID, on: connection).tasks
        var states: [TaskState] = []
        for index in tasks.indices {
            guard let state = state(of: Place(runKey: row.runKey, taskIndex: index)) else {
                violate("run ended early", "the run \(run.name) ended before its task '\(tasks[index].taskID)'", row)
                return
            }
            states.append(state)
        }
        let hasFailed = states.contains { $0 == .failed || $0 == .upstreamFailed }
        let expected: RunState = hasFailed || row.text != nil ? .failed : .success
        if new != expected {
            violate("run state", "the run \(run.name) ended as \(new), and its tasks say \(expected)", row)
        }
    }

    // MARK: task instances

    private func place(_ row: AuditRow) -> InstancePlace {
        InstancePlace(place: Place(runKey: row.runKey, taskIndex: row.taskIndex), mapIndex: row.mapIndex)
    }

    /// How a task has ended as a whole; nil where it has not.
    func state(of place: Place) -> TaskState? {
        let ids = byPlace[place] ?? []
        let states = ids.compactMap { instances[$0] }
        if let length = lengths[place] {
            let all = states.filter { $0.place.mapIndex >= 0 }.map(\.state)
            return all.count == length && all.allSatisfy(\.isFinished) ? LegalStates.whole(all) : nil
        }
        return states.first { $0.place.mapIndex < 0 && $0.state.isFinished }?.state
    }

    /// What may begin at once is added as one that has begun: the same as if it had been added, and then begun.
    private mutating func instanceAdded(_ row: AuditRow, on connection: any SQLConnection) throws {
        let place = place(row)
        if (byPlace[place.place] ?? []).contains(where: { instances[$0]?.place == place }) {
            violate("instance twice", "task instance \(row.id) is a second one at its place", row)
        }
        let hasBegun = ["deferred", "scheduled", "queued"].contains(row.newState)
        let tries = hasBegun ? row.tryNumber - 1 : row.tryNumber
        instances[row.id] = Instance(
            place: place, state: .none, tryNumber: tries, dispatchID: 0, firstTry: tries + 1)
        byPlace[place.place, default: []].append(row.id)
        if hasBegun {
            var beginning = row
            beginning.oldState = "none"
            try instanceChanged(beginning, on: connection)
        } else if row.newState != "none" || row.newDispatch != 0 {
            violate("task state", "task instance \(row.id) began as \(row.newState ?? "nothing")", row)
        }
    }

    private mutating func instanceRemoved(_ row: AuditRow) {
        guard let instance = instances.removeValue(forKey: row.id) else { return }
        byPlace[instance.place.place]?.removeAll { $0 == row.id }
        if [.queued, .running, .deferred].contains(instance.state) {
            violate("instance removed", "task instance \(row.id) was removed while it was \(instance.state)", row)
        }
    }

    private mutating func instanceChanged(_ row: AuditRow, on connection: any SQLConnection) throws {
        guard var instance = instances[row.id], let old = row.oldState.flatMap(TaskState.init(rawValue:)),
            let new = row.newState.flatMap(TaskState.init(rawValue:))
        else { return violate("task state", "task instance \(row.id) changed to a state that there is not", row) }
        touched.insert(row.id)
        if old != instance.state {
            violate("audit", "task instance \(row.id) was \(instance.state), and then changed from \(old)", row)
        }
        if old != new, !LegalStates.mayFollow(old, new) {
            violate("task state", "task instance \(row.id) went from \(old.rawValue) to \(new.rawValue)", row)
        }
        checkTry(row, instance, old, new)
        checkDispatch(row, old, new)
        if old != new, new == .none {
            instance.firstTry = row.tryNumber + 1
            runs[row.runKey]?.wasCleared = true
        }
        instance.state = new
        instance.tryNumber = row.tryNumber
        instance.dispatchID = row.newDispatch ?? 0
        instances[row.id] = instance
        if old == .none, old != new { try checkBeginning(row, new, on: connection) }
    }

    private mutating func checkTry(_ row: AuditRow, _ instance: Instance, _ old: TaskState, _ new: TaskState) {
        guard row.tryNumber != instance.tryNumber else {
            if old == .upForRetry, [.queued, .scheduled].contains(new), row.tryNumber <= 0 {
                violate("try", "task instance \(row.id) is tried without a number", row)
            }
            return
        }
        if row.tryNumber != instance.tryNumber + 1 || (old != .none && old != .upForRetry) {
            violate(
                "try",
                "task instance \(row.id), \(old.rawValue), went from try \(instance.tryNumber) to \(row.tryNumber)",
                row)
        }
        if let highest = highestTry[instance.place], row.tryNumber <= highest {
            violate("try", "task instance \(row.id) uses try \(row.tryNumber) again", row)
        }
        highestTry[instance.place] = row.tryNumber
    }

    private mutating func checkDispatch(_ row: AuditRow, _ old: TaskState, _ new: TaskState) {
        let (before, after) = (row.oldDispatch ?? 0, row.newDispatch ?? 0)
        switch new {
        case .queued:
            guard old != new || before != after else { return }
            if after == 0 || !dispatches.insert(after).inserted {
                violate("dispatch id", "task instance \(row.id) was queued with the dispatch id \(after) again", row)
            }
        case .running:
            if before != after || after == 0 {
                violate("dispatch id", "task instance \(row.id) changed its dispatch id when it began to run", row)
            }
        default:
            if after != 0 {
                violate("dispatch id", "task instance \(row.id) is \(new.rawValue) and has a dispatch id", row)
            }
        }
    }

    private mutating func checkBeginning(_ row: AuditRow, _ new: TaskState, on connection: any SQLConnection) throws {
        guard let run = runs[row.runKey] else { return }
        let task = try definition(run.versionID, on: connection).tasks[row.taskIndex]
        if row.mapIndex >= 0, task.alignedWith.isEmpty { return }
        let (rule, upstream) = before(task, row)
        switch new {
        case .queued, .scheduled, .deferred:
            if !LegalStates.mayBegin(rule, upstream) {
                violate(
                    "trigger rule",
                    "'\(task.taskID)' of \(run.name), \(task.triggerRule.rawValue), began with its upstream \(words(upstream))",
                    row)
            }
        case .upstreamFailed:
            let hasFailed = upstream.contains { $0 == .failed || $0 == .upstreamFailed }
            if !hasFailed || LegalStates.end(rule, upstream.compactMap(\.self)) != .upstreamFailed {
                violate(
                    "trigger rule",
                    "'\(task.taskID)' of \(run.name) is upstream_failed with its upstream \(words(upstream))", row)
            }
        default: break
        }
    }

    private mutating func mapped(_ row: AuditRow, on connection: any SQLConnection) throws {
        let place = Place(runKey: row.runKey, taskIndex: row.taskIndex)
        lengths[place] = Int(row.number ?? 0)
        guard let run = runs[row.runKey] else { return }
        let task = try definition(run.versionID, on: connection).tasks[row.taskIndex]
        let (rule, upstream) = before(task, row)
        if !LegalStates.mayBegin(rule, upstream) {
            violate(
                "trigger rule", "'\(task.taskID)' of \(run.name) was mapped with its upstream \(words(upstream))", row)
        }
    }

    /// What decides a task or an instance, and by which rule. In a mapped group an instance is decided by those of its element;
    /// whether a task is mapped by whether those before it are, and by the success of all else.
    private func before(_ task: TaskDefinition, _ row: AuditRow) -> (TriggerRule, [TaskState?]) {
        func place(_ index: Int) -> Place { Place(runKey: row.runKey, taskIndex: index) }
        guard !task.alignedWith.isEmpty else { return (task.triggerRule, task.upstream.map { state(of: place($0)) }) }
        // A row of a mapping has no element.
        if row.what == "task", row.mapIndex >= 0 {
            return (task.triggerRule, task.alignedWith.map { state(of: place($0), element: row.mapIndex) })
        }
        let states = task.upstream.map { index in
            task.alignedWith.contains(index) && lengths[place(index)] != nil ? .success : state(of: place(index))
        }
        return (.allSuccess, states)
    }

    /// How one instance of a mapped task has ended, or what stands for all of them; nil where it has not.
    private func state(of place: Place, element: Int) -> TaskState? {
        (byPlace[place] ?? []).compactMap { instances[$0] }
            .first { ($0.place.mapIndex == element || $0.place.mapIndex < 0) && $0.state.isFinished }?.state
    }

    private func words(_ states: [TaskState?]) -> String {
        states.map { $0?.rawValue ?? "not ended" }.joined(separator: ", ")
    }

    // MARK: waits and events

    private mutating func waitAdded(_ row: AuditRow) {
        let waitID = row.number ?? 0
        if waitID <= lastWait { violate("wait id", "the wait id \(waitID) comes after \(lastWait)", row) }
        lastWait = max(lastWait, waitID)
        waits[waitID] = entry(row)
        waitOf[row.id] = waitID
        touched.insert(row.id)
        guard row.oldState == "event", let text = row.text,
            let definition = try? JSONValue(parsing: text),  // because one that cannot be read matches nothing
            case .string(let name)? = definition["name"]
        else { return }
        var key: String?
        if case .string(let text)? = definition["key"] { key = text }
        eventWaits[entry(row)] = (row.oldDispatch ?? 0, name, key)
    }

    /// An event that a wait for one should have got before its deadline.
    private func missedEvent(_ entry: Entry, until deadline: Int64) -> Int64? {
        guard let wait = eventWaits[entry] else { return nil }
        return events.filter { seq, event in
            seq > wait.floor && !cleaned.contains(seq) && event.received <= deadline && event.name == wait.name
                && (wait.key == nil || event.key == wait.key)
        }.keys.min()
    }

    private mutating func waitEnded(_ row: AuditRow) {
        let entry = entry(row)
        if waits.removeValue(forKey: row.number ?? 0) == nil {
            violate("wait fired twice", "the wait \(row.number ?? 0) was removed, and was not there", row)
        }
        waitOf[row.id] = nil
        touched.insert(row.id)
        if ended.updateValue((row.other, row.oldDispatch), forKey: entry) != nil {
            violate("wait fired twice", "a wait for '\(entry.key)' of task instance \(entry.id) ended twice", row)
        }
        unsettled.append((entry, row))
    }

    private mutating func outcome(_ row: AuditRow) {
        let entry = entry(row)
        if !outcomes.insert(entry).inserted {
            violate("outcome changed", "the outcome of '\(entry.key)' of task instance \(entry.id) came twice", row)
        }
        guard let wait = ended[entry] else {
            return violate("outcome without its wait", "'\(entry.key)' of task instance \(entry.id) has no wait", row)
        }
        let text = row.text ?? ""
        let instant = (row.other ?? 0) + clockSlack
        let isTriggerer = row.oldState == "triggerer"
        if isTriggerer, text.hasPrefix("{\"timeout\""), instant < wait.deadline ?? .max {
            violate("fired early", "'\(entry.key)' of task instance \(entry.id) timed out before its deadline", row)
        }
        if isTriggerer, text.hasPrefix("{\"event\""), let due = wait.due, instant < due {
            violate("fired early", "'\(entry.key)' of task instance \(entry.id) fired before it was due", row)
        }
        if isTriggerer, text.hasPrefix("{\"timeout\""), let deadline = wait.deadline,
            // Decided before the clock was set back, committed after it: what came in between seems to have come in time.
            let seq = missedEvent(entry, until: deadline - clockSlack)
        {
            violate(
                "event", "'\(entry.key)' of task instance \(entry.id) timed out, and event \(seq) came before that", row
            )
        }
        guard let seq = row.number else { return }
        guard let received = events[seq]?.received else {
            return violate(
                "event", "'\(entry.key)' of task instance \(entry.id) got event \(seq), which never came", row)
        }
        if let deadline = wait.deadline, received > deadline {
            violate("event", "'\(entry.key)' of task instance \(entry.id) got event \(seq) after its deadline", row)
        }
    }

    private mutating func eventAdded(_ row: AuditRow) {
        let seq = row.number ?? 0
        if seq != lastEvent + 1 { violate("event seq", "event \(seq) follows event \(lastEvent)", row) }
        lastEvent = seq
        events[seq] = (row.other ?? 0, row.key ?? "", row.newState)
    }

    /// What must hold where transactions meet.
    private mutating func settle() {
        for (entry, row) in unsettled where !outcomes.contains(entry) && instances[entry.id] != nil {
            violate("wait without outcome", "the wait \(row.number ?? 0) ended, and no outcome was journalled", row)
        }
        unsettled = []
        for id in touched.sorted() {
            guard let instance = instances[id] else { continue }
            if (instance.state == .deferred) != (waitOf[id] != nil) {
                let has = waitOf[id] == nil ? "no wait" : "a wait"
                found.append(
                    Violation(
                        "deferred", "task instance \(id) is \(instance.state.rawValue) and has \(has)",
                        rows: rows(about: id)))
            }
        }
        touched = []
    }
}
