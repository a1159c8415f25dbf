package diag

import (
	"cmp"
	"slices"
)

// Code is the stable name of a kind of message: E for errors, W for warnings. The first digit is the area: 0 the folder,
// the machine and the running worker, 1 syntax, 2 structure, 3 connectors, 4 names, 5 values and references, 6 transforms
// and conditions, 7 properties, 8 warnings, 9 a cluster. A code is never given another meaning.
type Code string

// The folder, the machine and the running worker.
const (
	NoFolder      Code = "E001"
	EmptyFolder   Code = "E002"
	Unreadable    Code = "E003"
	AddressInUse  Code = "E004"
	DataInUse     Code = "E005"
	DamagedState  Code = "E006"
	DiskFull      Code = "E007"
	KafkaDown     Code = "E008"
	TaskFailed    Code = "E009"
	TopicMissing  Code = "E010"
	Internal      Code = "E011"
	Usage         Code = "E012"
	BrokerRefused Code = "E013"
	InstanceDown  Code = "E014"
	Stuck         Code = "E015"
	LoginRefused  Code = "E016"
	NotTrusted    Code = "E017"
	NotApplied    Code = "E020"
)

// Syntax and structure.
const (
	DottedName        Code = "E101"
	ArgumentExpected  Code = "E102"
	InvalidCharacter  Code = "E103"
	InvalidEscape     Code = "E104"
	ReferenceInString Code = "E105"
	UnclosedBlock     Code = "E106"
	Syntax            Code = "E107"

	UnknownBlock    Code = "E201"
	UnknownArgument Code = "E202"
	WrongBlock      Code = "E203"
	MissingArgument Code = "E204"
	NotAvailable    Code = "E205"
	RepeatedBlock   Code = "E206"
	WrongLabels     Code = "E207"
	WrongVersion    Code = "E208"
)

// Connectors and names.
const (
	UnknownConnector Code = "E301"
	TwoConnectors    Code = "E302"
	NoConnector      Code = "E303"
	NoTopics         Code = "E304"
	TopicsTwice      Code = "E305"
	QueueIsInput     Code = "E306"
	UnknownConverter Code = "E307"
	UnknownProvider  Code = "E308"

	DuplicatePipeline  Code = "E401"
	DuplicateConnector Code = "E402"
	InvalidForEach     Code = "E403"
	InvalidName        Code = "E404"
	DuplicateName      Code = "E405"
	StillDeclared      Code = "E406"
)

// Values, references, transforms and properties.
const (
	UnknownVariable   Code = "E501"
	UnknownName       Code = "E502"
	NoValue           Code = "E503"
	InvalidCall       Code = "E504"
	InvalidExpression Code = "E505"
	UndeclaredValue   Code = "E506"
	InvalidVariable   Code = "E507"
	Cycle             Code = "E508"
	SecretMissing     Code = "E509"

	UnknownTransform  Code = "E601"
	InvalidTarget     Code = "E602"
	NoTarget          Code = "E603"
	UnquotedCondition Code = "E604"
	InvalidCondition  Code = "E605"
	UnknownPredicate  Code = "E606"
	UnknownCondition  Code = "E607"
	RecordExpression  Code = "E608"

	DuplicateProperty Code = "E701"
	SetTwice          Code = "E702"
	CommaInElement    Code = "E703"
	UnsuitableType    Code = "E704"
	InvalidValue      Code = "E705"
	MissingProperty   Code = "E706"
	OverrideRefused   Code = "E707"
)

// A cluster, and workers that commands talk to.
const (
	WorkerDown      Code = "E910"
	WorkerRefused   Code = "E911"
	NotReached      Code = "E912"
	NotInstalled    Code = "E901"
	NoConditions    Code = "E902"
	RejectedThere   Code = "E903"
	MissingThere    Code = "E904"
	NotManaged      Code = "E905"
	OwnedByAnother  Code = "E906"
	ChangedSince    Code = "E907"
	AnotherCluster  Code = "E908"
	SecretDiffers   Code = "E909"
	ConnectorExists Code = "E913"
	NotOurs         Code = "E914"
	MayNotDelete    Code = "E915"
	TooOld          Code = "E916"
	GroupInUse      Code = "E920"
)

// Warnings.
const (
	QueueDoesNotHelp      Code = "W801"
	NoEffect              Code = "W802"
	ConverterWithout      Code = "W803"
	ProbablyMisspelt      Code = "W804"
	LostWithoutTrace      Code = "W805"
	ConditionMissingField Code = "W806"
	PointlessTransform    Code = "W807"
	SensitiveInFile       Code = "W808"
)

// Entry is what the table of codes says of one code.
type Entry struct {
	Code    Code
	Summary string // the first line of every message with this code
	Explain string // what leads to it and what to do, a paragraph
}

// table is the one list of codes; a test holds that constants and entries agree.
var table = map[Code]Entry{ //nolint:gochecknoglobals // a literal that nothing changes
	NoFolder:      {NoFolder, "Project folder not found", "The folder or file named on the command line does not exist. A project is a folder with *.hcl files."},
	EmptyFolder:   {EmptyFolder, "No configuration in this folder", "The project folder has no *.hcl file, so there is nothing to run. Sub-folders are not entered."},
	Unreadable:    {Unreadable, "Cannot read", "A file or folder exists but cannot be read or written by this user."},
	AddressInUse:  {AddressInUse, "Address already in use", "Another process listens on the address. Stop it or choose another address; port 0 takes any free one."},
	DataInUse:     {DataInUse, "Data folder is in use", "A second process works on the same data folder. One folder belongs to one process at a time; choose another with -data."},
	DamagedState:  {DamagedState, "State file is damaged", "The file that holds offsets and requested states cannot be read. It was left untouched. Restore it from a copy, or move it away to start from the beginning."},
	DiskFull:      {DiskFull, "No space left on the disk", "A write failed because the disk is full. Nothing that was not stored is counted as delivered; free space and start again."},
	KafkaDown:     {KafkaDown, "Kafka cannot be reached", "No broker answered at the addresses given."},
	TaskFailed:    {TaskFailed, "Task failed", "A task met an error it may not pass over and has stopped."},
	TopicMissing:  {TopicMissing, "Topic does not exist", "A task reads or writes a topic that is not there, or was deleted while the task ran."},
	Internal:      {Internal, "Plugin panicked", "A plugin ended in a panic. The task has failed, the process goes on. The log has the stack."},
	Usage:         {Usage, "Wrong command line", "The command, a flag or an argument is not known. Every command explains itself with -help."},
	BrokerRefused: {BrokerRefused, "Refused by the broker", "A broker answered a request with an error that trying again cannot cure."},
	InstanceDown:  {InstanceDown, "Connector failed", "The connector of a pipeline could not be started, could not say what its tasks are, or did not stop in time. Other pipelines are not affected."},
	NotApplied:    {NotApplied, "Loaded, but not put into effect", "The files are right, but the engine could not store or carry out the change. What ran before runs on, and the change is tried again."},

	Stuck:        {Stuck, "The engine cannot go on", "Something outside the pipelines failed in a way that has no code of its own."},
	LoginRefused: {LoginRefused, "Kafka refused the log-in", "The cluster could be reached, but it does not let this client in: the credentials are wrong, or listener and security.protocol do not fit. Trying again does not help."},
	NotTrusted:   {NotTrusted, "No secure connection to Kafka", "TLS with a broker failed: its certificate is not trusted, has expired or is for another name, or the broker does not accept this client's. Trying again does not help."},

	DottedName:        {DottedName, "Property name written with dots", "HCL arguments cannot contain dots. Write the property with underscores, or quote it in config = { … }."},
	ArgumentExpected:  {ArgumentExpected, "Argument or block definition required", "A line is neither an argument (name = value) nor a block."},
	InvalidCharacter:  {InvalidCharacter, "Invalid character", "A character that HCL does not know, often a single quote."},
	InvalidEscape:     {InvalidEscape, "Invalid escape sequence", "A backslash in a quoted string starts an escape. Write two for a literal one."},
	ReferenceInString: {ReferenceInString, "Kafka Connect reference inside a string", "${…} is evaluated when the file is read. Use secret(\"…\") for a reference that the worker resolves, or escape it as $${…}."},
	UnclosedBlock:     {UnclosedBlock, "Unclosed configuration block", "A block that was opened is never closed."},
	Syntax:            {Syntax, "Invalid syntax", "The file is not valid HCL at this place."},

	UnknownBlock:    {UnknownBlock, "Unsupported block type", "A block of this type is not known at this place."},
	UnknownArgument: {UnknownArgument, "Unsupported argument", "An argument of this name is not known at this place."},
	WrongBlock:      {WrongBlock, "Argument in the wrong block", "The argument exists, but one level further out or in."},
	MissingArgument: {MissingArgument, "Required argument is missing", "A block lacks an argument that it cannot do without."},
	NotAvailable:    {NotAvailable, "Not available in this version", "The language has this, but this version of the program does not carry it out; so it is refused rather than ignored."},
	RepeatedBlock:   {RepeatedBlock, "Block written twice", "This block may stand once."},
	WrongLabels:     {WrongLabels, "Wrong labels", "The first label says what a block is; a second one, where there may be many, is its name."},

	WrongVersion: {WrongVersion, "Another version is required", "The project says which versions of this program may work on it, and this one is not among them."},

	UnknownConnector: {UnknownConnector, "Unknown connector type", "No connector of this name is built in."},
	TwoConnectors:    {TwoConnectors, "Pipeline has two connectors", "A pipeline has exactly one source or one sink. Two pipelines joined by a topic move data from one system to another."},
	NoConnector:      {NoConnector, "Pipeline has no source or sink", "A pipeline has exactly one source or one sink."},
	NoTopics:         {NoTopics, "Sink has no topics", "A sink reads either a list of topics or a pattern, and has neither."},
	TopicsTwice:      {TopicsTwice, "Both topics and topics_regex", "A sink reads either a list of topics or a pattern, not both."},
	QueueIsInput:     {QueueIsInput, "Dead letter queue is also an input", "A sink that reads its own dead letter queue would loop."},
	UnknownConverter: {UnknownConverter, "Unknown converter type", "No converter of this name is built in."},
	UnknownProvider:  {UnknownProvider, "Unknown config provider", "No config provider of this name is built in. They look up the references that secret(\"…\") writes."},

	DuplicatePipeline:  {DuplicatePipeline, "Duplicate pipeline", "Names of pipelines are unique in a folder."},
	DuplicateConnector: {DuplicateConnector, "Duplicate connector name", "Two pipelines produce a connector of the same name."},
	InvalidForEach:     {InvalidForEach, "Invalid for_each", "for_each takes a map or a set of strings."},
	InvalidName:        {InvalidName, "Invalid name", "The name is empty or has characters that are not allowed."},
	DuplicateName:      {DuplicateName, "Name used twice", "Names of transforms, predicates, variables and locals are unique where they stand."},
	StillDeclared:      {StillDeclared, "Still declared", "A moved or removed block says that a connector is gone, but a pipeline of the same files makes it."},

	UnknownVariable:   {UnknownVariable, "Reference to undeclared variable", "var.x needs a variable \"x\" block."},
	UnknownName:       {UnknownName, "Unknown name", "The expression names something that is not in scope. Text stands in quotes."},
	NoValue:           {NoValue, "No value for required variable", "A variable without a default needs a value from -var, -var-file, the environment or an .auto.vars.hcl file."},
	InvalidCall:       {InvalidCall, "Invalid function argument", "A function was called with an argument it cannot take."},
	InvalidExpression: {InvalidExpression, "Invalid expression", "The expression cannot be evaluated."},
	UndeclaredValue:   {UndeclaredValue, "Value for undeclared variable", "A values file, a flag or the environment sets a variable that no block declares."},
	InvalidVariable:   {InvalidVariable, "Invalid value for variable", "The value does not fit the variable's type or one of its validation rules."},
	Cycle:             {Cycle, "Locals refer to each other", "Locals that need each other's value cannot be worked out."},

	SecretMissing: {SecretMissing, "Secret cannot be found", "A config provider was asked for a value that it does not have, or may not read. References are resolved on the machine that runs the pipeline, when its tasks start."},

	UnknownTransform:  {UnknownTransform, "Unknown transform type", "No transform of this name is built in."},
	InvalidTarget:     {InvalidTarget, "Invalid transform target", "target is \"key\" or \"value\"."},
	NoTarget:          {NoTarget, "Transform has no target", "The transform works on the whole record, so it takes no target."},
	UnquotedCondition: {UnquotedCondition, "Condition must be a string", "A condition is checked for every record, so it stands in quotes; bare HCL is worked out once."},
	InvalidCondition:  {InvalidCondition, "Invalid condition", "The text of a condition is not an expression that gives true or false."},
	UnknownPredicate:  {UnknownPredicate, "Reference to undeclared predicate", "predicate.x needs a predicate block with the name \"x\" in the same pipeline."},
	UnknownCondition:  {UnknownCondition, "Unknown predicate type", "No predicate of this name is built in."},
	RecordExpression:  {RecordExpression, "Invalid expression over records", "The text of a transform's expression cannot be compiled."},

	DuplicateProperty: {DuplicateProperty, "Duplicate property", "One key stands twice in a map."},
	SetTwice:          {SetTwice, "Property set twice", "A native argument and a config entry set the same property to different values."},
	CommaInElement:    {CommaInElement, "Comma inside a list element", "Lists are stored as text joined by commas, and a comma cannot be escaped."},
	UnsuitableType:    {UnsuitableType, "Unsuitable value type", "A setting takes a string, a number, a bool or a list of these."},
	InvalidValue:      {InvalidValue, "Invalid value", "The value is not one that this setting takes."},
	MissingProperty:   {MissingProperty, "Required setting is missing", "The plugin cannot work without this setting."},
	OverrideRefused:   {OverrideRefused, "Client setting may not be overridden", "The worker's connector.client.config.override.policy does not let a connector set this property of its clients."},

	NotInstalled:    {NotInstalled, "Plugin is not installed on the cluster", "No worker of the cluster has a plugin of this class."},
	NoConditions:    {NoConditions, "Conditions are not available on this cluster", "The cluster runs a genuine Kafka Connect, which has no predicate for expressions."},
	RejectedThere:   {RejectedThere, "Rejected by the connector", "The cluster's own validation refuses a value."},
	MissingThere:    {MissingThere, "Required property is missing", "The cluster's own validation asks for a property that is not set."},
	NotManaged:      {NotManaged, "Connector exists and is not managed by this project", "The cluster runs a connector of this name with other settings, and it carries no project's mark."},
	OwnedByAnother:  {OwnedByAnother, "Connector belongs to another project", "The mark of a connector names another project."},
	ChangedSince:    {ChangedSince, "Changed after the plan was made", "Somebody has changed a connector that a saved plan, or a plan on the screen, speaks of. Nothing was applied to it."},
	AnotherCluster:  {AnotherCluster, "Saved plan is for another cluster", "A saved plan belongs to one Kafka cluster."},
	SecretDiffers:   {SecretDiffers, "A secret differs from the one that was planned", "A saved plan holds digests of secrets only; the values are worked out again when it is applied."},
	ConnectorExists: {ConnectorExists, "A connector of the new name exists", "A connector cannot be renamed to a name that the cluster uses already."},
	NotOurs:         {NotOurs, "Connector is not this project's", "A project renames and deletes only connectors that carry its mark, or whose names are its own."},
	MayNotDelete:    {MayNotDelete, "Connector may not be deleted", "The pipeline's lifecycle block forbids what would delete its connector."},
	TooOld:          {TooOld, "The cluster is too old for this", "The Kafka Connect that answers is of a version that lacks what is asked of it. Nothing was changed."},

	GroupInUse:    {GroupInUse, "Group is used by others", "The group.id of a distributed worker names a group whose members speak another protocol: workers of Kafka Connect, or consumers."},
	WorkerDown:    {WorkerDown, "Worker cannot be reached", "A command that works on a running worker found none at its address: that of -url, of ENGINE_URL, or http://localhost:8083."},
	WorkerRefused: {WorkerRefused, "Refused by the worker", "A worker answered a call of its REST API with an error. Its words say what is wrong."},
	NotReached:    {NotReached, "Not reached in time", "The worker has taken a request, and the connector was not in the state asked for when the wait ended. It may still get there."},

	QueueDoesNotHelp:      {QueueDoesNotHelp, "Dead letter queue, but errors still stop the task", "With errors.tolerance none the task stops at the first bad record, after sending it to the queue."},
	NoEffect:              {NoEffect, "Setting has no effect here", "The setting is understood, or at least allowed, but nothing here reads it."},
	ConverterWithout:      {ConverterWithout, "Converter setting without a converter", "Settings of a converter count only where the converter itself is chosen."},
	ProbablyMisspelt:      {ProbablyMisspelt, "Property is probably misspelt", "The setting is not known and very close to one that is."},
	LostWithoutTrace:      {LostWithoutTrace, "Failing records will be lost without a trace", "Errors are tolerated, but there is neither a dead letter queue nor logging."},
	ConditionMissingField: {ConditionMissingField, "Condition fails when the field is missing", "A condition compares a field by its order, and null has no place in any: for a record in which the field is null or missing the condition is an error, not \"no\". Give it a value with ?? or ask for it first: value.x != nil and value.x > 1."},
	PointlessTransform:    {PointlessTransform, "Transform can never do anything here", "What the connector declares of its records makes the transform pointless or certain to fail."},
	SensitiveInFile:       {SensitiveInFile, "Secret written into the file", "A sensitive setting holds plain text. Use secret(\"…\"), env(\"…\") or a sensitive variable."},
}

// Summary is the first line of messages with this code.
func (c Code) Summary() string { return table[c].Summary }

// Lookup finds the entry of a code.
func Lookup(c Code) (Entry, bool) {
	e, ok := table[c]
	return e, ok
}

// Codes lists every entry in order of its code.
func Codes() []Entry {
	l := make([]Entry, 0, len(table))
	for _, e := range table {
		l = append(l, e)
	}
	slices.SortFunc(l, func(a, b Entry) int { return cmp.Compare(a.Code, b.Code) })
	return l
}
