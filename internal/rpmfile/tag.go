package rpmfile

import "strconv"

// Tag is the number of a header entry. The numbers are rpm's own (rpmtag.h); signature headers number their entries
// separately, so their constants are called Sig… and not Tag….
type Tag uint32

// The tags of a signature header.
const (
	SigHeaderSignatures    Tag = 62
	SigDSA                 Tag = 267
	SigRSA                 Tag = 268
	SigSHA1                Tag = 269
	SigLongSize            Tag = 270
	SigLongArchiveSize     Tag = 271
	SigSHA256              Tag = 273
	SigFileSignatures      Tag = 274
	SigFileSignatureLength Tag = 275
	SigVeritySignatures    Tag = 276
	SigVeritySignatureAlgo Tag = 277
	SigOpenPGP             Tag = 278
	SigSHA3                Tag = 279
	SigReserved            Tag = 999
	SigSize                Tag = 1000
	SigPGP                 Tag = 1002
	SigMD5                 Tag = 1004
	SigGPG                 Tag = 1005
	SigPayloadSize         Tag = 1007
	SigReservedSpace       Tag = 1008
)

// The tags of a main header.
const (
	TagHeaderImage                 Tag = 61
	TagHeaderImmutable             Tag = 63
	TagHeaderI18NTable             Tag = 100
	TagName                        Tag = 1000
	TagVersion                     Tag = 1001
	TagRelease                     Tag = 1002
	TagEpoch                       Tag = 1003
	TagSummary                     Tag = 1004
	TagDescription                 Tag = 1005
	TagBuildTime                   Tag = 1006
	TagBuildHost                   Tag = 1007
	TagInstallTime                 Tag = 1008
	TagSize                        Tag = 1009
	TagDistribution                Tag = 1010
	TagVendor                      Tag = 1011
	TagGIF                         Tag = 1012
	TagXPM                         Tag = 1013
	TagLicense                     Tag = 1014
	TagPackager                    Tag = 1015
	TagGroup                       Tag = 1016
	TagSource                      Tag = 1018
	TagPatch                       Tag = 1019
	TagURL                         Tag = 1020
	TagOS                          Tag = 1021
	TagArch                        Tag = 1022
	TagPreIn                       Tag = 1023
	TagPostIn                      Tag = 1024
	TagPreUn                       Tag = 1025
	TagPostUn                      Tag = 1026
	TagOldFileNames                Tag = 1027
	TagFileSizes                   Tag = 1028
	TagFileStates                  Tag = 1029
	TagFileModes                   Tag = 1030
	TagFileUIDs                    Tag = 1031
	TagFileGIDs                    Tag = 1032
	TagFileRDevs                   Tag = 1033
	TagFileMTimes                  Tag = 1034
	TagFileDigests                 Tag = 1035
	TagFileLinkTos                 Tag = 1036
	TagFileFlags                   Tag = 1037
	TagFileUserName                Tag = 1039
	TagFileGroupName               Tag = 1040
	TagIcon                        Tag = 1043
	TagSourceRPM                   Tag = 1044
	TagFileVerifyFlags             Tag = 1045
	TagArchiveSize                 Tag = 1046
	TagProvideName                 Tag = 1047
	TagRequireFlags                Tag = 1048
	TagRequireName                 Tag = 1049
	TagRequireVersion              Tag = 1050
	TagNoSource                    Tag = 1051
	TagNoPatch                     Tag = 1052
	TagConflictFlags               Tag = 1053
	TagConflictName                Tag = 1054
	TagConflictVersion             Tag = 1055
	TagExcludeArch                 Tag = 1059
	TagExcludeOS                   Tag = 1060
	TagExclusiveArch               Tag = 1061
	TagExclusiveOS                 Tag = 1062
	TagRPMVersion                  Tag = 1064
	TagTriggerScripts              Tag = 1065
	TagTriggerName                 Tag = 1066
	TagTriggerVersion              Tag = 1067
	TagTriggerFlags                Tag = 1068
	TagTriggerIndex                Tag = 1069
	TagVerifyScript                Tag = 1079
	TagChangelogTime               Tag = 1080
	TagChangelogName               Tag = 1081
	TagChangelogText               Tag = 1082
	TagPreInProg                   Tag = 1085
	TagPostInProg                  Tag = 1086
	TagPreUnProg                   Tag = 1087
	TagPostUnProg                  Tag = 1088
	TagBuildArchs                  Tag = 1089
	TagObsoleteName                Tag = 1090
	TagVerifyScriptProg            Tag = 1091
	TagTriggerScriptProg           Tag = 1092
	TagCookie                      Tag = 1094
	TagFileDevices                 Tag = 1095
	TagFileInodes                  Tag = 1096
	TagFileLangs                   Tag = 1097
	TagPrefixes                    Tag = 1098
	TagSourcePackage               Tag = 1106
	TagProvideFlags                Tag = 1112
	TagProvideVersion              Tag = 1113
	TagObsoleteFlags               Tag = 1114
	TagObsoleteVersion             Tag = 1115
	TagDirIndexes                  Tag = 1116
	TagBaseNames                   Tag = 1117
	TagDirNames                    Tag = 1118
	TagOrigDirIndexes              Tag = 1119
	TagOrigBaseNames               Tag = 1120
	TagOrigDirNames                Tag = 1121
	TagOptFlags                    Tag = 1122
	TagDistURL                     Tag = 1123
	TagPayloadFormat               Tag = 1124
	TagPayloadCompressor           Tag = 1125
	TagPayloadFlags                Tag = 1126
	TagRHNPlatform                 Tag = 1131
	TagPlatform                    Tag = 1132
	TagFileColors                  Tag = 1140
	TagFileClass                   Tag = 1141
	TagClassDict                   Tag = 1142
	TagFileDependsX                Tag = 1143
	TagFileDependsN                Tag = 1144
	TagDependsDict                 Tag = 1145
	TagSourceSigMD5                Tag = 1146
	TagPolicies                    Tag = 1150
	TagPreTrans                    Tag = 1151
	TagPostTrans                   Tag = 1152
	TagPreTransProg                Tag = 1153
	TagPostTransProg               Tag = 1154
	TagDistTag                     Tag = 1155
	TagOldSuggestsName             Tag = 1156
	TagOldSuggestsVersion          Tag = 1157
	TagOldSuggestsFlags            Tag = 1158
	TagOldEnhancesName             Tag = 1159
	TagOldEnhancesVersion          Tag = 1160
	TagOldEnhancesFlags            Tag = 1161
	TagLongFileSizes               Tag = 5008
	TagLongSize                    Tag = 5009
	TagFileCaps                    Tag = 5010
	TagFileDigestAlgo              Tag = 5011
	TagBugURL                      Tag = 5012
	TagPreInFlags                  Tag = 5020
	TagPostInFlags                 Tag = 5021
	TagPreUnFlags                  Tag = 5022
	TagPostUnFlags                 Tag = 5023
	TagPreTransFlags               Tag = 5024
	TagPostTransFlags              Tag = 5025
	TagVerifyScriptFlags           Tag = 5026
	TagTriggerScriptFlags          Tag = 5027
	TagPolicyNames                 Tag = 5030
	TagPolicyTypes                 Tag = 5031
	TagPolicyTypesIndexes          Tag = 5032
	TagPolicyFlags                 Tag = 5033
	TagVCS                         Tag = 5034
	TagOrderName                   Tag = 5035
	TagOrderVersion                Tag = 5036
	TagOrderFlags                  Tag = 5037
	TagRecommendName               Tag = 5046
	TagRecommendVersion            Tag = 5047
	TagRecommendFlags              Tag = 5048
	TagSuggestName                 Tag = 5049
	TagSuggestVersion              Tag = 5050
	TagSuggestFlags                Tag = 5051
	TagSupplementName              Tag = 5052
	TagSupplementVersion           Tag = 5053
	TagSupplementFlags             Tag = 5054
	TagEnhanceName                 Tag = 5055
	TagEnhanceVersion              Tag = 5056
	TagEnhanceFlags                Tag = 5057
	TagEncoding                    Tag = 5062
	TagFileTriggerScripts          Tag = 5066
	TagFileTriggerScriptProg       Tag = 5067
	TagFileTriggerScriptFlags      Tag = 5068
	TagFileTriggerName             Tag = 5069
	TagFileTriggerIndex            Tag = 5070
	TagFileTriggerVersion          Tag = 5071
	TagFileTriggerFlags            Tag = 5072
	TagTransFileTriggerScripts     Tag = 5076
	TagTransFileTriggerScriptProg  Tag = 5077
	TagTransFileTriggerScriptFlags Tag = 5078
	TagTransFileTriggerName        Tag = 5079
	TagTransFileTriggerIndex       Tag = 5080
	TagTransFileTriggerVersion     Tag = 5081
	TagTransFileTriggerFlags       Tag = 5082
	TagFileTriggerPriorities       Tag = 5084
	TagTransFileTriggerPriorities  Tag = 5085
	TagFileSignatures              Tag = 5090
	TagFileSignatureLength         Tag = 5091
	TagPayloadSHA256               Tag = 5092
	TagPayloadSHA256Algo           Tag = 5093
	TagModularityLabel             Tag = 5096
	TagPayloadSHA256Alt            Tag = 5097
	TagSpec                        Tag = 5099
	TagTranslationURL              Tag = 5100
	TagUpstreamReleases            Tag = 5101
	TagPreUnTrans                  Tag = 5103
	TagPostUnTrans                 Tag = 5104
	TagPreUnTransProg              Tag = 5105
	TagPostUnTransProg             Tag = 5106
	TagPreUnTransFlags             Tag = 5107
	TagPostUnTransFlags            Tag = 5108
	TagSysUsers                    Tag = 5109
	TagPayloadSize                 Tag = 5112
	TagPayloadSizeAlt              Tag = 5113
	TagRPMFormat                   Tag = 5114
	TagFileMIMEIndex               Tag = 5115
	TagMIMEDict                    Tag = 5116
	TagSourceNEVR                  Tag = 5120
	TagPayloadSHA512               Tag = 5121
	TagPayloadSHA512Alt            Tag = 5122
	TagPayloadSHA3                 Tag = 5123
	TagPayloadSHA3Alt              Tag = 5124
)

// String gives the tag's name in the main header, or its number where it has none.
func (t Tag) String() string {
	if info, ok := tagInfo[t]; ok {
		return info.name
	}
	return strconv.FormatUint(uint64(t), 10)
}

// A tagRow is what is known of a tag of the main header.
type tagRow struct {
	name string
	typ  Type
}

// accepts says whether rpm takes data of type t for the tag: the tag's own, or any string for a string.
func (r tagRow) accepts(t Type) bool {
	return t == r.typ || t >= TypeString && t != TypeBin && typeSizes[r.typ] == 0
}

// tagInfo holds the name and the type of each tag of the main header.
var tagInfo = map[Tag]tagRow{
	TagHeaderImage:                 {"HeaderImage", TypeBin},
	TagHeaderImmutable:             {"HeaderImmutable", TypeBin},
	TagHeaderI18NTable:             {"HeaderI18NTable", TypeStringArray},
	TagName:                        {"Name", TypeString},
	TagVersion:                     {"Version", TypeString},
	TagRelease:                     {"Release", TypeString},
	TagEpoch:                       {"Epoch", TypeInt32},
	TagSummary:                     {"Summary", TypeI18NString},
	TagDescription:                 {"Description", TypeI18NString},
	TagBuildTime:                   {"BuildTime", TypeInt32},
	TagBuildHost:                   {"BuildHost", TypeString},
	TagInstallTime:                 {"InstallTime", TypeInt32},
	TagSize:                        {"Size", TypeInt32},
	TagDistribution:                {"Distribution", TypeString},
	TagVendor:                      {"Vendor", TypeString},
	TagGIF:                         {"GIF", TypeBin},
	TagXPM:                         {"XPM", TypeBin},
	TagLicense:                     {"License", TypeString},
	TagPackager:                    {"Packager", TypeString},
	TagGroup:                       {"Group", TypeI18NString},
	TagSource:                      {"Source", TypeStringArray},
	TagPatch:                       {"Patch", TypeStringArray},
	TagURL:                         {"URL", TypeString},
	TagOS:                          {"OS", TypeString},
	TagArch:                        {"Arch", TypeString},
	TagPreIn:                       {"PreIn", TypeString},
	TagPostIn:                      {"PostIn", TypeString},
	TagPreUn:                       {"PreUn", TypeString},
	TagPostUn:                      {"PostUn", TypeString},
	TagOldFileNames:                {"OldFileNames", TypeStringArray},
	TagFileSizes:                   {"FileSizes", TypeInt32},
	TagFileStates:                  {"FileStates", TypeInt8},
	TagFileModes:                   {"FileModes", TypeInt16},
	TagFileUIDs:                    {"FileUIDs", TypeInt32},
	TagFileGIDs:                    {"FileGIDs", TypeInt32},
	TagFileRDevs:                   {"FileRDevs", TypeInt16},
	TagFileMTimes:                  {"FileMTimes", TypeInt32},
	TagFileDigests:                 {"FileDigests", TypeStringArray},
	TagFileLinkTos:                 {"FileLinkTos", TypeStringArray},
	TagFileFlags:                   {"FileFlags", TypeInt32},
	TagFileUserName:                {"FileUserName", TypeStringArray},
	TagFileGroupName:               {"FileGroupName", TypeStringArray},
	TagIcon:                        {"Icon", TypeBin},
	TagSourceRPM:                   {"SourceRPM", TypeString},
	TagFileVerifyFlags:             {"FileVerifyFlags", TypeInt32},
	TagArchiveSize:                 {"ArchiveSize", TypeInt32},
	TagProvideName:                 {"ProvideName", TypeStringArray},
	TagRequireFlags:                {"RequireFlags", TypeInt32},
	TagRequireName:                 {"RequireName", TypeStringArray},
	TagRequireVersion:              {"RequireVersion", TypeStringArray},
	TagNoSource:                    {"NoSource", TypeInt32},
	TagNoPatch:                     {"NoPatch", TypeInt32},
	TagConflictFlags:               {"ConflictFlags", TypeInt32},
	TagConflictName:                {"ConflictName", TypeStringArray},
	TagConflictVersion:             {"ConflictVersion", TypeStringArray},
	TagExcludeArch:                 {"ExcludeArch", TypeStringArray},
	TagExcludeOS:                   {"ExcludeOS", TypeStringArray},
	TagExclusiveArch:               {"ExclusiveArch", TypeStringArray},
	TagExclusiveOS:                 {"ExclusiveOS", TypeStringArray},
	TagRPMVersion:                  {"RPMVersion", TypeString},
	TagTriggerScripts:              {"TriggerScripts", TypeStringArray},
	TagTriggerName:                 {"TriggerName", TypeStringArray},
	TagTriggerVersion:              {"TriggerVersion", TypeStringArray},
	TagTriggerFlags:                {"TriggerFlags", TypeInt32},
	TagTriggerIndex:                {"TriggerIndex", TypeInt32},
	TagVerifyScript:                {"VerifyScript", TypeString},
	TagChangelogTime:               {"ChangelogTime", TypeInt32},
	TagChangelogName:               {"ChangelogName", TypeStringArray},
	TagChangelogText:               {"ChangelogText", TypeStringArray},
	TagPreInProg:                   {"PreInProg", TypeStringArray},
	TagPostInProg:                  {"PostInProg", TypeStringArray},
	TagPreUnProg:                   {"PreUnProg", TypeStringArray},
	TagPostUnProg:                  {"PostUnProg", TypeStringArray},
	TagBuildArchs:                  {"BuildArchs", TypeStringArray},
	TagObsoleteName:                {"ObsoleteName", TypeStringArray},
	TagVerifyScriptProg:            {"VerifyScriptProg", TypeStringArray},
	TagTriggerScriptProg:           {"TriggerScriptProg", TypeStringArray},
	TagCookie:                      {"Cookie", TypeString},
	TagFileDevices:                 {"FileDevices", TypeInt32},
	TagFileInodes:                  {"FileInodes", TypeInt32},
	TagFileLangs:                   {"FileLangs", TypeStringArray},
	TagPrefixes:                    {"Prefixes", TypeStringArray},
	TagSourcePackage:               {"SourcePackage", TypeInt32},
	TagProvideFlags:                {"ProvideFlags", TypeInt32},
	TagProvideVersion:              {"ProvideVersion", TypeStringArray},
	TagObsoleteFlags:               {"ObsoleteFlags", TypeInt32},
	TagObsoleteVersion:             {"ObsoleteVersion", TypeStringArray},
	TagDirIndexes:                  {"DirIndexes", TypeInt32},
	TagBaseNames:                   {"BaseNames", TypeStringArray},
	TagDirNames:                    {"DirNames", TypeStringArray},
	TagOrigDirIndexes:              {"OrigDirIndexes", TypeInt32},
	TagOrigBaseNames:               {"OrigBaseNames", TypeStringArray},
	TagOrigDirNames:                {"OrigDirNames", TypeStringArray},
	TagOptFlags:                    {"OptFlags", TypeString},
	TagDistURL:                     {"DistURL", TypeString},
	TagPayloadFormat:               {"PayloadFormat", TypeString},
	TagPayloadCompressor:           {"PayloadCompressor", TypeString},
	TagPayloadFlags:                {"PayloadFlags", TypeString},
	TagRHNPlatform:                 {"RHNPlatform", TypeString},
	TagPlatform:                    {"Platform", TypeString},
	TagFileColors:                  {"FileColors", TypeInt32},
	TagFileClass:                   {"FileClass", TypeInt32},
	TagClassDict:                   {"ClassDict", TypeStringArray},
	TagFileDependsX:                {"FileDependsX", TypeInt32},
	TagFileDependsN:                {"FileDependsN", TypeInt32},
	TagDependsDict:                 {"DependsDict", TypeInt32},
	TagSourceSigMD5:                {"SourceSigMD5", TypeBin},
	TagPolicies:                    {"Policies", TypeStringArray},
	TagPreTrans:                    {"PreTrans", TypeString},
	TagPostTrans:                   {"PostTrans", TypeString},
	TagPreTransProg:                {"PreTransProg", TypeStringArray},
	TagPostTransProg:               {"PostTransProg", TypeStringArray},
	TagDistTag:                     {"DistTag", TypeString},
	TagOldSuggestsName:             {"OldSuggestsName", TypeStringArray},
	TagOldSuggestsVersion:          {"OldSuggestsVersion", TypeStringArray},
	TagOldSuggestsFlags:            {"OldSuggestsFlags", TypeInt32},
	TagOldEnhancesName:             {"OldEnhancesName", TypeStringArray},
	TagOldEnhancesVersion:          {"OldEnhancesVersion", TypeStringArray},
	TagOldEnhancesFlags:            {"OldEnhancesFlags", TypeInt32},
	TagLongFileSizes:               {"LongFileSizes", TypeInt64},
	TagLongSize:                    {"LongSize", TypeInt64},
	TagFileCaps:                    {"FileCaps", TypeStringArray},
	TagFileDigestAlgo:              {"FileDigestAlgo", TypeInt32},
	TagBugURL:                      {"BugURL", TypeString},
	TagPreInFlags:                  {"PreInFlags", TypeInt32},
	TagPostInFlags:                 {"PostInFlags", TypeInt32},
	TagPreUnFlags:                  {"PreUnFlags", TypeInt32},
	TagPostUnFlags:                 {"PostUnFlags", TypeInt32},
	TagPreTransFlags:               {"PreTransFlags", TypeInt32},
	TagPostTransFlags:              {"PostTransFlags", TypeInt32},
	TagVerifyScriptFlags:           {"VerifyScriptFlags", TypeInt32},
	TagTriggerScriptFlags:          {"TriggerScriptFlags", TypeInt32},
	TagPolicyNames:                 {"PolicyNames", TypeStringArray},
	TagPolicyTypes:                 {"PolicyTypes", TypeStringArray},
	TagPolicyTypesIndexes:          {"PolicyTypesIndexes", TypeInt32},
	TagPolicyFlags:                 {"PolicyFlags", TypeInt32},
	TagVCS:                         {"VCS", TypeString},
	TagOrderName:                   {"OrderName", TypeStringArray},
	TagOrderVersion:                {"OrderVersion", TypeStringArray},
	TagOrderFlags:                  {"OrderFlags", TypeInt32},
	TagRecommendName:               {"RecommendName", TypeStringArray},
	TagRecommendVersion:            {"RecommendVersion", TypeStringArray},
	TagRecommendFlags:              {"RecommendFlags", TypeInt32},
	TagSuggestName:                 {"SuggestName", TypeStringArray},
	TagSuggestVersion:              {"SuggestVersion", TypeStringArray},
	TagSuggestFlags:                {"SuggestFlags", TypeInt32},
	TagSupplementName:              {"SupplementName", TypeStringArray},
	TagSupplementVersion:           {"SupplementVersion", TypeStringArray},
	TagSupplementFlags:             {"SupplementFlags", TypeInt32},
	TagEnhanceName:                 {"EnhanceName", TypeStringArray},
	TagEnhanceVersion:              {"EnhanceVersion", TypeStringArray},
	TagEnhanceFlags:                {"EnhanceFlags", TypeInt32},
	TagEncoding:                    {"Encoding", TypeString},
	TagFileTriggerScripts:          {"FileTriggerScripts", TypeStringArray},
	TagFileTriggerScriptProg:       {"FileTriggerScriptProg", TypeStringArray},
	TagFileTriggerScriptFlags:      {"FileTriggerScriptFlags", TypeInt32},
	TagFileTriggerName:             {"FileTriggerName", TypeStringArray},
	TagFileTriggerIndex:            {"FileTriggerIndex", TypeInt32},
	TagFileTriggerVersion:          {"FileTriggerVersion", TypeStringArray},
	TagFileTriggerFlags:            {"FileTriggerFlags", TypeInt32},
	TagTransFileTriggerScripts:     {"TransFileTriggerScripts", TypeStringArray},
	TagTransFileTriggerScriptProg:  {"TransFileTriggerScriptProg", TypeStringArray},
	TagTransFileTriggerScriptFlags: {"TransFileTriggerScriptFlags", TypeInt32},
	TagTransFileTriggerName:        {"TransFileTriggerName", TypeStringArray},
	TagTransFileTriggerIndex:       {"TransFileTriggerIndex", TypeInt32},
	TagTransFileTriggerVersion:     {"TransFileTriggerVersion", TypeStringArray},
	TagTransFileTriggerFlags:       {"TransFileTriggerFlags", TypeInt32},
	TagFileTriggerPriorities:       {"FileTriggerPriorities", TypeInt32},
	TagTransFileTriggerPriorities:  {"TransFileTriggerPriorities", TypeInt32},
	TagFileSignatures:              {"FileSignatures", TypeStringArray},
	TagFileSignatureLength:         {"FileSignatureLength", TypeInt32},
	TagPayloadSHA256:               {"PayloadSHA256", TypeStringArray},
	TagPayloadSHA256Algo:           {"PayloadSHA256Algo", TypeInt32},
	TagModularityLabel:             {"ModularityLabel", TypeString},
	TagPayloadSHA256Alt:            {"PayloadSHA256Alt", TypeStringArray},
	TagSpec:                        {"Spec", TypeString},
	TagTranslationURL:              {"TranslationURL", TypeString},
	TagUpstreamReleases:            {"UpstreamReleases", TypeString},
	TagPreUnTrans:                  {"PreUnTrans", TypeString},
	TagPostUnTrans:                 {"PostUnTrans", TypeString},
	TagPreUnTransProg:              {"PreUnTransProg", TypeStringArray},
	TagPostUnTransProg:             {"PostUnTransProg", TypeStringArray},
	TagPreUnTransFlags:             {"PreUnTransFlags", TypeInt32},
	TagPostUnTransFlags:            {"PostUnTransFlags", TypeInt32},
	TagSysUsers:                    {"SysUsers", TypeStringArray},
	TagPayloadSize:                 {"PayloadSize", TypeInt64},
	TagPayloadSizeAlt:              {"PayloadSizeAlt", TypeInt64},
	TagRPMFormat:                   {"RPMFormat", TypeInt32},
	TagFileMIMEIndex:               {"FileMIMEIndex", TypeInt32},
	TagMIMEDict:                    {"MIMEDict", TypeStringArray},
	TagSourceNEVR:                  {"SourceNEVR", TypeString},
	TagPayloadSHA512:               {"PayloadSHA512", TypeString},
	TagPayloadSHA512Alt:            {"PayloadSHA512Alt", TypeString},
	TagPayloadSHA3:                 {"PayloadSHA3", TypeString},
	TagPayloadSHA3Alt:              {"PayloadSHA3Alt", TypeString},
}
